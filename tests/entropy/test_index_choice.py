"""Bits of every index: they sum to what the coder says of the same picture."""

import math

import numpy as np
import pytest
import torch

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.codec.codec import Codec
from hvqcgic.entropy import WeighedChoice, choose, price
from hvqcgic.entropy.index_choice import code_bits
from tests.random_model import random_picture


@pytest.mark.parametrize("coding", ["adaptive", "static-arithmetic", "static-huffman", "fixed-length", "zip"])
def test_they_sum_to_the_bits_of_the_file(codec: Codec, coding: str) -> None:
    encoded = codec.encode(random_picture(80, 48, seed=4), ratios=(0.4, 0.4, 0.2))
    bits = codec.cell_bits(encoded, coding=coding)
    assert {g: len(values) for g, values in bits.items()} == {g: len(encoded.indices[g]) for g in GRANULARITIES}
    parts = codec.write(encoded, coding=coding).parts
    told, found = (sum(values) for values in ([parts[g] for g in GRANULARITIES], [b.sum() for b in bits.values()]))
    assert math.isclose(found, told, rel_tol=1e-9, abs_tol=16 if coding == "zip" else 1e-6)
    assert all(np.all(values >= 0) for values in bits.values())


def test_adaptive_ones_follow_the_granularity(codec: Codec) -> None:
    encoded = codec.encode(random_picture(80, 48, seed=4), ratios=(0.4, 0.4, 0.2))
    bits, parts = codec.cell_bits(encoded), codec.write(encoded).parts
    assert {g: pytest.approx(parts[g], rel=1e-9) for g in GRANULARITIES} == {g: b.sum() for g, b in bits.items()}


def test_of_a_picture_read_from_a_file_they_are_known_if_its_hyper_latents_are(codec: Codec) -> None:
    picture = random_picture(32, 32, seed=1)
    expected = codec.cell_bits(codec.encode(picture))
    found = codec.cell_bits(codec.read(codec.compress(picture)))
    assert all(np.array_equal(found[g], expected[g]) for g in GRANULARITIES)
    with pytest.raises(ValueError, match="z lacks the hyper-latent of coarse cells"):
        codec.cell_bits(codec.read(codec.compress(picture, coding="static-huffman")))


def test_each_choice_is_the_cheapest_given_what_is_coded_before_it(codec: Codec) -> None:
    picture = codec.analyse(random_picture(80, 48, seed=6))
    masks = codec.order_cells(picture, (0.4, 0.4, 0.2))
    plain = codec.quantise(picture, masks)
    assert plain.z is not None
    y = {g: picture.rows(g, torch.from_numpy(masks[g])) for g in GRANULARITIES}
    model, codebook, eta = codec._entropy, codec.networks.quantiser.codebook, 0.02
    chosen = choose(model, masks, plain.z, WeighedChoice(y, codebook, eta), mode="adaptive")
    assert any(not np.array_equal(chosen.indices[g], plain.indices[g]) for g in GRANULARITIES)
    seen = 0
    for step in model.frequencies(masks, chosen.indices, plain.z):
        granularity = step.name.partition("/")[0]
        bits = -np.log2(step.frequencies / step.frequencies.sum(1, keepdims=True))
        distances = torch.cdist(y[granularity][torch.from_numpy(step.ranks)], codebook).square().double().numpy()
        cost = distances + eta * bits
        own = cost[np.arange(len(cost)), chosen.indices[granularity][step.ranks]]
        # Bits count in whole steps of 1/64.
        assert np.all(own <= cost.min(1) + eta / 32 + 1e-5)
        seen += len(own)
    assert seen == sum(len(chosen.indices[g]) for g in GRANULARITIES)


@pytest.mark.parametrize("coding", ["static-arithmetic", "static-huffman"])
def test_choices_without_context_are_the_cheapest(codec: Codec, coding: str) -> None:
    picture = codec.analyse(random_picture(80, 48, seed=6))
    masks = codec.order_cells(picture, (0.4, 0.4, 0.2))
    y = {g: picture.rows(g, torch.from_numpy(masks[g])) for g in GRANULARITIES}
    model, codebook, eta = codec._entropy, codec.networks.quantiser.codebook, 0.02
    chosen = choose(model, masks, {}, WeighedChoice(y, codebook, eta), mode=coding)
    for granularity in GRANULARITIES:
        bits = code_bits(model.static, granularity, coding)
        cost = torch.cdist(y[granularity], codebook).square().double().numpy() + eta * bits
        assert np.all(cost[np.arange(len(cost)), chosen.indices[granularity]] <= cost.min(1) + 1e-5)
        assert np.array_equal(chosen.bits[granularity], bits[chosen.indices[granularity]])


def test_an_unknown_mode_is_refused(codec: Codec) -> None:
    encoded = codec.encode(random_picture(32, 32, seed=1))
    assert encoded.z is not None
    with pytest.raises(ValueError, match="unknown"):
        price(codec._entropy, encoded.masks, encoded.z, encoded.indices, mode="morse")
