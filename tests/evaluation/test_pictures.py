"""The pictures of a run: names, originals, and what cannot be read."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.evaluation.pictures import picture_names, prepare, read_png
from hvqcgic.evaluation.results import original_path
from tests.command_calls import save_picture
from tests.random_model import random_picture


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["k/a.png", "k/b.png"], ["a", "b"]),
        (["k/a.png", "l/a.png"], ["k/a", "l/a"]),
        (["k/x/a.png", "l/x/a.png", "l/x/b.png"], ["k/x/a", "l/x/a", "b"]),
        (["a.png", "a.jpg"], ["a.png", "a.jpg"]),
        (["a.png"], ["a"]),
    ],
)
def test_names_are_short_and_distinct(paths: list[str], names: list[str]) -> None:
    found = picture_names([Path(path) for path in paths])
    assert list(found) == names
    assert [str(path) for path in found.values()] == paths


def test_the_original_is_kept_as_it_is_seen(tmp_path: Path) -> None:
    pixels = random_picture(30, 20, seed=0)
    turned = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(turned, exif=exif)
    source = prepare(tmp_path / "run", "turned", turned)
    assert (source.width, source.height, source.problem) == (20, 30, "")
    assert np.array_equal(read_png(original_path(tmp_path / "run", "turned")), np.rot90(pixels, -1))


def test_it_is_read_again_only_where_it_changed(tmp_path: Path) -> None:
    run, path = tmp_path / "run", save_picture(tmp_path / "x.png", seed=0)
    first = prepare(run, "x", path)
    kept = original_path(run, "x")
    os.utime(kept, (1, 1))
    assert prepare(run, "x", path) == first
    assert kept.stat().st_mtime == 1
    save_picture(path, seed=1)
    assert prepare(run, "x", path) != first
    assert kept.stat().st_mtime > 1


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_what_is_no_picture_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    source = prepare(tmp_path / "run", "x", path)
    assert (source.width, source.height) == (0, 0)
    assert "x.png" in source.problem
    assert not (tmp_path / "run").exists()
