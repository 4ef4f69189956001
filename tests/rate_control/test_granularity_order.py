"""Which rule chooses the granularity map, with a model that has a proxy decoder and one that has none."""

import numpy as np
import pytest
import torch

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.codec.codec import Codec
from hvqcgic.models.granularity import counts_from_ratios
from hvqcgic.rate_control import cell_distortions as module
from hvqcgic.rate_control.operating_point import Choices
from hvqcgic.rate_control.rd_order import RdOrder
from hvqcgic.rate_control.regions import Region
from tests.random_model import random_model, random_picture
from tests.random_proxy import with_random_proxy

PICTURE = random_picture(96, 80, seed=3)
REGION = Region(0, 0, 40, 40, 2)
SHARES = (0.3, 0.5, 0.2)


@pytest.fixture(scope="module")
def with_proxy() -> Codec:
    return Codec(with_random_proxy(random_model().freeze()), torch.device("cpu"))


@pytest.fixture(scope="module")
def without() -> Codec:
    return Codec(random_model().freeze(), torch.device("cpu"))


def fine_cells(codec: Codec, point: Choices) -> np.ndarray:
    return codec.read(codec.compress(PICTURE, **point)).masks.fine


def test_auto_is_rd_only_with_a_proxy_and_without_ratios_and_regions(with_proxy: Codec, without: Codec) -> None:
    points: tuple[Choices, ...] = ({}, {"quality": 40}, {"max_bytes": 350}, {"ratios": SHARES}, {"roi": [REGION]})
    for point in points:
        auto, rd, entropy = (fine_cells(with_proxy, {**point, "granularity": g}) for g in ("auto", "rd", "entropy"))
        assert np.array_equal(auto, fine_cells(with_proxy, point))
        assert np.array_equal(auto, entropy if {"ratios", "roi"} & point.keys() else rd)
        assert not np.array_equal(rd, entropy)
        assert np.array_equal(fine_cells(without, point), fine_cells(without, {**point, "granularity": "entropy"}))


def test_given_ratios_are_kept_exactly(with_proxy: Codec) -> None:
    masks = with_proxy.read(with_proxy.compress(PICTURE, ratios=SHARES)).masks
    coarse, medium = counts_from_ratios(SHARES, 5, 6)
    assert (masks.count("coarse"), masks.count("medium")) == (coarse, medium)


def test_default_ratios_keep_the_number_of_indices(with_proxy: Codec) -> None:
    default, exact = (with_proxy.read(with_proxy.compress(PICTURE, granularity=g)).masks for g in ("auto", "entropy"))
    counts = [sum(masks.count(g) for g in GRANULARITIES) for masks in (default, exact)]
    assert counts[1] - 15 < counts[0] <= counts[1]


def test_files_decode_alike_with_a_proxy_and_without(with_proxy: Codec, without: Codec) -> None:
    data = with_proxy.compress(PICTURE, quality=40)
    assert np.array_equal(np.array(with_proxy.decompress(data)), np.array(without.decompress(data)))


def test_distortions_are_computed_once_for_a_picture(with_proxy: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = with_proxy.analyse(PICTURE)
    first = RdOrder(module.cell_distortions(with_proxy, picture)).masks(SHARES)
    monkeypatch.setattr(module, "distortions", None)
    assert np.array_equal(RdOrder(module.cell_distortions(with_proxy, picture)).masks(SHARES).fine, first.fine)
    refined = picture.with_features(picture.features)
    assert refined.distortions is None


def test_a_proxy_that_is_there_is_what_chooses(with_proxy: Codec, without: Codec) -> None:
    pictures = [codec.analyse(PICTURE) for codec in (with_proxy, without)]
    masks = with_proxy.order_cells(pictures[0], SHARES)
    decoded = np.array(without.reconstruct(without.quantise(pictures[1], masks)))
    assert np.array_equal(without.approximate(pictures[1], masks), decoded)
    assert not np.array_equal(with_proxy.approximate(pictures[0], masks), decoded)
