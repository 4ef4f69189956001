"""Bits of every index: they sum to what the coder says of the same picture."""

import math

import numpy as np
import pytest

from hvqcgic.codec import Codec
from hvqcgic.entropy import GRANULARITIES
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


def test_of_a_picture_read_from_a_file_they_are_not_known(codec: Codec) -> None:
    read = codec.read(codec.compress(random_picture(32, 32, seed=1)))
    with pytest.raises(ValueError, match="no hyper-latents"):
        codec.cell_bits(read)
