"""This project's codec among the others: the same bytes and pictures as without the comparison, and its maps."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.codec.codec import Codec, load
from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.evaluation.codecs import hvqcgic_model
from hvqcgic.evaluation.codecs.hvqcgic_model import HvqcgicModel
from hvqcgic.model_files.frozen_model import read_model, write_model
from hvqcgic.model_files.registry import reverse_file_of as path_of
from hvqcgic.model_files.reverse_file import freeze_reverse, write_reverse
from hvqcgic.rate_control.operating_point import Choices
from hvqcgic.rate_control.ratio_path import ratios
from tests.random_model import random_picture
from tests.random_proxy import with_random_proxy
from tests.random_reverse import model_with_reverse, random_reverse

PICTURE = random_picture(75, 50, seed=2)


@pytest.mark.parametrize("coding", ["adaptive", "static-huffman"])
def test_bytes_pictures_and_parts_are_the_codecs(codec: Codec, tiny_model_path: Path, coding: str) -> None:
    variant = str(tiny_model_path) if coding == "adaptive" else f"{tiny_model_path}+{coding}"
    found = HvqcgicModel(variant, "ratios=0.3,0.3,0.4")
    data = found.encode(PICTURE)
    assert data == codec.compress(PICTURE, ratios=(0.3, 0.3, 0.4), coding=coding)
    assert np.array_equal(found.decode(data), np.asarray(codec.decompress(data)))
    assert sum(found.details().parts.values()) == 8 * len(data)


def test_maps_have_the_size_of_the_picture_and_show_its_cells(tiny_model_path: Path) -> None:
    found = HvqcgicModel(str(tiny_model_path), "path=0")
    found.encode(PICTURE)
    coarse = found.details()
    found = HvqcgicModel(str(tiny_model_path), "path=1")
    found.encode(PICTURE)
    fine = found.details()
    for image in (coarse.granularity_map, coarse.cell_bits, fine.granularity_map, fine.cell_bits):
        assert isinstance(image, Image.Image)
        assert image.size == (75, 50)
    assert coarse.granularity_map is not None
    assert fine.granularity_map is not None
    assert coarse.granularity_map.getpixel((5, 5)) != fine.granularity_map.getpixel((5, 5))


def test_nothing_is_told_before_a_picture_was_encoded(tiny_model_path: Path) -> None:
    assert HvqcgicModel(str(tiny_model_path), "path=0").details().granularity_map is None


def test_places_on_the_path_are_ratios(tiny_model_path: Path) -> None:
    found = HvqcgicModel(f"{tiny_model_path}+published", "path=0.5")
    assert found.point.shares == ratios(0.5, "published")
    same = HvqcgicModel(str(tiny_model_path), "ratios=0.1,0.8,0.1")
    assert same.encode(PICTURE) == found.encode(PICTURE)
    assert HvqcgicModel(str(tiny_model_path), "path=0.5").encode(PICTURE) != found.encode(PICTURE)


def test_targets_are_points(codec: Codec, tiny_model_path: Path) -> None:
    picture = random_picture(160, 112, seed=2)
    choices: dict[str, Choices] = {
        "bpp=0.2": {"bpp": 0.2},
        "max_bytes=300": {"max_bytes": 300},
        "psnr=9": {"target": "psnr=9"},
    }
    for point, choice in choices.items():
        assert HvqcgicModel(str(tiny_model_path), point).encode(picture) == codec.compress(picture, **choice)
    labels = HvqcgicModel.points("bpp=0.1..0.4:4;0.5;ratios=0.5,0.4,0.1;lpips=0.1")
    assert labels == ["bpp=0.1", "bpp=0.2", "bpp=0.3", "bpp=0.4", "path=0.5", "ratios=0.5,0.4,0.1", "lpips=0.1"]


def test_the_encoders_choices_are_options_of_the_variant(codec: Codec, tiny_model_path: Path) -> None:
    picture = random_picture(160, 112, seed=2)
    found = HvqcgicModel(f"{tiny_model_path}+rd+eta=0.5+static-arithmetic", "bpp=0.2")
    expected = codec.compress(picture, bpp=0.2, eta=0.5, granularity="rd", coding="static-arithmetic")
    assert found.encode(picture) == expected


@pytest.mark.parametrize(
    ("variant", "point", "message"),
    [
        ("tiny+morse", "path=0", "option 'morse' of 'tiny\\+morse' is unknown"),
        ("tiny+eta=much", "path=0", "eta 'much'"),
        ("tiny+refine=0.5", "path=0", "refine '0.5' of 'tiny\\+refine=0.5' is no whole number"),
        ("tiny+refine=-1", "path=0", "refine -1 is no number of steps"),
        ("tiny+steps=some", "path=0", "steps 'some' of 'tiny\\+steps=some' is no whole number"),
        ("tiny+steps=65", "path=0", "steps 65 cannot be taken"),
        ("tiny+randomness=-1", "path=0", "randomness -1"),
        ("tiny+zip+steps=1", "path=0", "reads files coded adaptive, not zip"),
        ("", "path=0", "name a model"),
    ],
)
def test_wrong_options_are_named(variant: str, point: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        HvqcgicModel(variant, point)


@pytest.mark.parametrize("text", ["speed=3", "bpp=0", "bpp=25", "lpips=0", "max_bytes=0", "bpp=nan"])
def test_wrong_points_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown|not allowed"):
        HvqcgicModel.points(text)


def test_the_fingerprint_tells_models_modes_and_points_apart(tiny_model_path: Path) -> None:
    prints = {
        HvqcgicModel(variant, point).fingerprint
        for variant in (str(tiny_model_path), f"{tiny_model_path}+zip", "tiny")
        for point in ("path=0", "path=1")
    }
    assert len(prints) == 6


def test_the_reverse_path_is_a_codec_of_its_own(tiny_model_path: Path, tmp_path: Path) -> None:
    path = model_with_reverse(tiny_model_path, tmp_path)
    codec = load(path, device="cpu")
    names = ("", "+steps=1", "+steps=2", "+steps=2+randomness=0.5", "+steps=2+seed=3")
    found = {name: HvqcgicModel(f"{path}{name}", "path=0") for name in names}
    assert len({each.fingerprint for each in found.values()}) == len(names)
    data = found["+steps=2+seed=3"].encode(PICTURE)
    assert data == codec.compress(PICTURE, ratios=ratios(0))
    assert np.array_equal(found["+steps=2+seed=3"].decode(data), np.asarray(codec.decompress(data, 2, 1.0, 3)))
    before = found["+steps=1"].fingerprint
    write_reverse(freeze_reverse(random_reverse(codec.config, seed=1), codec.fingerprint), path_of(path), force=True)
    hvqcgic_model._load.cache_clear()
    assert HvqcgicModel(f"{path}+steps=1", "path=0").fingerprint != before
    path_of(path).unlink()
    hvqcgic_model._load.cache_clear()
    assert HvqcgicModel(str(path), "path=0").fingerprint == found[""].fingerprint
    with pytest.raises(ModelError, match="has no reverse path"):
        HvqcgicModel(f"{path}+steps=1", "path=0")


def test_results_belong_to_the_proxy_that_chose_the_cells(tiny_model_path: Path, tmp_path: Path) -> None:
    plain, other = read_model(tiny_model_path), tmp_path / "other.safetensors"
    write_model(with_random_proxy(plain, width=4), other)
    with_proxy = tmp_path / "with.safetensors"
    write_model(with_random_proxy(plain), with_proxy)
    for point, same in (("path=0.5", False), ("ratios=0.5,0.4,0.1", True)):
        found = {HvqcgicModel(str(path), point).fingerprint for path in (tiny_model_path, with_proxy, other)}
        assert len(found) == (1 if same else 3)
    assert len({HvqcgicModel(f"{path}+entropy", "path=0.5").fingerprint for path in (with_proxy, other)}) == 1
