"""What a run leaves: rows and configuration come back as they were written, names are safe and distinct."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.results import (
    Row,
    Run,
    SetMetrics,
    decoded_path,
    original_path,
    read_rows,
    read_run,
    slug,
    write_rows,
    write_run,
)

GOOD = Row("a/x", 4, 3, "jpeg", "quality=5", 3, 2.0, 0.5, 0.25, "ok", {"map": 24.0}, {"psnr_db": 30.5})
PLAIN = Row("y", 4, 3, "webp", "quality=5", 6, 4.0, 0.5, 0.25, metrics={"psnr_db": 31.0, "niqe": 3.0})
FAILED = Row("y", 4, 3, "jpeg", "quality=5", status="failed: it broke, badly")


def test_rows_come_back(tmp_path: Path) -> None:
    write_rows(tmp_path, [GOOD, PLAIN, FAILED])
    assert read_rows(tmp_path) == [GOOD, PLAIN, FAILED]


def test_the_csv_has_a_column_for_each_part_and_metric_and_empty_cells(tmp_path: Path) -> None:
    write_rows(tmp_path, [GOOD, PLAIN, FAILED])
    with (tmp_path / "points.csv").open(newline="", encoding="utf-8") as file:
        good, plain, failed = csv.DictReader(file)
    assert list(good)[-4:] == ["status", "bits_map", "psnr_db", "niqe"]
    assert (good["picture"], good["bytes"], good["bits_map"], good["niqe"]) == ("a/x", "3", "24.0", "")
    assert (plain["bits_map"], plain["niqe"]) == ("", "3.0")
    assert (failed["bytes"], failed["bpp"], failed["status"]) == ("", "", "failed: it broke, badly")


def test_the_run_comes_back(tmp_path: Path) -> None:
    run = Run(
        ("jpeg", "published:a.json"),
        {"x": "in/x.png"},
        settings={"jobs": 2},
        versions={"torch": "2"},
        metric_notes={"fid": "no weights"},
        set_metrics=(SetMetrics("jpeg", "quality=5", {"fid": 3.5}),),
        published=("a.json",),
    )
    write_run(tmp_path, run)
    assert read_run(tmp_path) == run


@pytest.mark.parametrize("content", [None, "no json"])
def test_a_folder_without_results_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "points.json").write_text(content)
    with pytest.raises(ConfigError, match=r"points\.json: no results of a run there"):
        read_rows(tmp_path)


@given(st.text(min_size=1))
def test_slugs_are_safe(name: str) -> None:
    found = slug(name)
    assert found
    assert len(found) < 100
    assert not found.startswith((".", "-"))
    assert set(found) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=,+-")


@given(st.lists(st.text(alphabet="a/: -.b", min_size=1), unique=True))
def test_slugs_of_different_names_differ(names: list[str]) -> None:
    assert len({slug(name) for name in names}) == len(names)


def test_plain_names_stay_as_they_are() -> None:
    assert slug("ratios=0.5,0.4,0.1") == "ratios=0.5,0.4,0.1"
    assert original_path(Path("run"), "kodim01") == Path("run/pictures/original/kodim01.png")
    assert decoded_path(Path("run"), "jpeg", "quality=5", "x") == Path("run/pictures/jpeg/quality=5/x.png")
