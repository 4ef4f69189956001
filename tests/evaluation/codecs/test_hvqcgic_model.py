"""This project's codec among the others: the same bytes and pictures as without the comparison, and its maps."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.codec import Codec
from hvqcgic.evaluation.codecs.hvqcgic_model import HvqcgicModel
from hvqcgic.rate_control.ratio_path import ratios
from tests.random_model import random_picture

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
    found = HvqcgicModel(str(tiny_model_path), "path=0.75")
    assert found.ratios == ratios(0.75)
    same = HvqcgicModel(str(tiny_model_path), "ratios=0.5,0.5,0")
    assert same.encode(PICTURE) == found.encode(PICTURE)


def test_the_fingerprint_tells_models_modes_and_points_apart(tiny_model_path: Path) -> None:
    prints = {
        HvqcgicModel(variant, point).fingerprint
        for variant in (str(tiny_model_path), f"{tiny_model_path}+zip", "tiny")
        for point in ("path=0", "path=1")
    }
    assert len(prints) == 6
