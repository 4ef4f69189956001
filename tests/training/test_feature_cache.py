"""Features on disk: those of the network, computed once, never those of another network, damage and full disks met."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hvqcgic.errors import ConfigError, OutputError
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.network import HvqModel
from hvqcgic.training.feature_cache import PART_PX, STRIDES_PX, Entry, FeatureCache, backbone_fingerprint, parts_of
from tests.random_model import random_model, random_picture, small_config

PICTURES = [random_picture(96, 64, seed=1), random_picture(64, 64, seed=2)]


@pytest.fixture
def model() -> HvqModel:
    return random_model().model


@contextmanager
def encodings(model: HvqModel) -> Iterator[list[object]]:
    """Counts runs of the encoder: a list that grows by one with each."""
    seen: list[object] = []
    handle = model.encoder.register_forward_hook(lambda *_: seen.append(None))
    yield seen
    handle.remove()


def entries(folder: Path, model: HvqModel) -> tuple[FeatureCache, list[Entry]]:
    cache = FeatureCache(folder, model)
    return cache, [cache.entry(picture) for picture in PICTURES]


def test_windows_are_those_of_the_features_of_the_whole_picture(model: HvqModel, tmp_path: Path) -> None:
    entry = entries(tmp_path, model)[1][0]
    assert (entry.rows, entry.columns) == (4, 6)
    pixels = torch.from_numpy(PICTURES[0]).permute(2, 0, 1)
    with torch.no_grad():
        expected = model.encoder(pixels[None].float() / 255)
    found = entry.window(1, 3, 2)
    assert np.array_equal(found["picture"], pixels[:, 16:48, 48:80].numpy())
    for g in ("fine", "medium", "coarse"):
        step = 16 // STRIDES_PX[g]
        assert np.array_equal(found[g], expected[g][0, :, step : 3 * step, 3 * step : 5 * step].numpy())


def test_a_second_look_runs_no_encoder(model: HvqModel, tmp_path: Path) -> None:
    with encodings(model) as seen:
        cache, first = entries(tmp_path, model)
        assert (len(seen), cache.computed, cache.read, cache.repaired) == (2, 2, 0, 0)
        cache, second = entries(tmp_path, model)
        assert (len(seen), cache.computed, cache.read, cache.repaired) == (2, 0, 2, 0)
    assert first == second


@pytest.mark.parametrize("name", ["encoder.stem.weight", "decoder.to_picture.bias", "quantiser.codebook"])
def test_one_weight_of_the_backbone_makes_another_cache(model: HvqModel, tmp_path: Path, name: str) -> None:
    before = entries(tmp_path, model)[1]
    value = model.state_dict()[name].flatten()
    value[-1] = torch.nextafter(value[-1], torch.tensor(9.0))
    with encodings(model) as seen:
        after = entries(tmp_path, model)[1]
        assert len(seen) == 2
    assert not {entry.path for entry in before} & {entry.path for entry in after}


def test_what_features_do_not_depend_on_makes_no_other_cache(model: HvqModel) -> None:
    before = backbone_fingerprint(model)
    changed = small_config(z_channels=(0, 2, 2), form="diagonal").to_dict()
    changed |= {"name": "renamed", "selection": "published", "default_ratios": (0.0, 0.5, 0.5)}
    other = HvqModel(ModelConfig.from_dict(changed))
    kept = {name: value for name, value in model.state_dict().items() if name.startswith(("encoder", "decoder", "q"))}
    other.load_state_dict(kept, strict=False)
    other.quantiser.count(0, torch.tensor([3]))
    assert backbone_fingerprint(other) == before
    wider = HvqModel(ModelConfig.from_dict(changed | {"codebook_size": 65}))
    assert backbone_fingerprint(wider) != before


def cut_short(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path, other: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def replace_by_another(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("damage", [cut_short, empty, flip_a_bit, replace_by_another])
def test_a_damaged_entry_is_computed_anew(
    model: HvqModel, tmp_path: Path, damage: Callable[[Path, Path], object]
) -> None:
    found = entries(tmp_path, model)[1]
    whole = found[0].path.read_bytes()
    damage(found[0].path, found[1].path)
    assert found[0].path.read_bytes() != whole
    with encodings(model) as seen:
        cache = entries(tmp_path, model)[0]
        assert len(seen) == 1
    assert (cache.computed, cache.read, cache.repaired) == (0, 1, 1)
    assert found[0].path.read_bytes() == whole


def test_an_entry_that_goes_while_it_is_used_is_one_line(model: HvqModel, tmp_path: Path) -> None:
    entry = entries(tmp_path, model)[1][0]
    entry.path.unlink()
    with pytest.raises(ConfigError, match=r"cannot be read .*start again") as caught:
        entry.window(0, 0, 1)
    assert "\n" not in str(caught.value)
    assert str(entry.path) in str(caught.value)


def test_a_folder_that_cannot_be_is_one_line(model: HvqModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OutputError, match=r"file/cache: features cannot be kept there: .*name another --cache"
    ) as caught:
        FeatureCache(tmp_path / "file" / "cache", model)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_line_and_leaves_whole_entries(model: HvqModel, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    cache = FeatureCache(tmp_path, model)
    smaller = cache.entry(PICTURES[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (smaller.path.stat().st_size + 100, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written") as caught:
            cache.entry(PICTURES[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.rglob("*.*")) == [smaller.path]


@given(st.tuples(st.integers(1, 2600), st.integers(1, 2600)), st.sampled_from([16, 64, 640]))
def test_parts_cover_a_picture_and_suit_the_network(size: tuple[int, int], least_px: int) -> None:
    # One column or row of each stands for all: the sides are cut alike and by themselves.
    for axis in (0, 1):
        shape = [1, 1, 3]
        shape[axis] = size[axis]
        line = np.arange(size[axis]).astype(np.uint8).repeat(3).reshape(shape)
        parts = list(parts_of(line, least_px))
        sides = [part.shape[axis] for part in parts]
        assert all(side % 16 == 0 and least_px <= side <= max(PART_PX, 2 * least_px) for side in sides)
        assert (len(parts) == 1) == (size[axis] <= max(PART_PX, 2 * least_px))
        joined = values(parts, axis)[: size[axis]]
        assert np.array_equal(joined, line[..., 0].ravel())
        assert set(values(parts[-1:], axis)[size[axis] - sum(sides[:-1]) :]) <= {line[..., 0].ravel()[-1]}


def values(parts: list[NDArray[np.uint8]], axis: int) -> NDArray[np.uint8]:
    """The first line of each part along an axis, one after another."""
    return np.concatenate([part[:, 0, 0] if axis == 0 else part[0, :, 0] for part in parts])
