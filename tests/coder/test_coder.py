"""The steps of coding: what a trial says a file would take, and what one analysis serves for."""

from dataclasses import replace

import numpy as np
import pytest

from hvqcgic.bitstream import MODES
from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.codec.codec import Codec
from hvqcgic.errors import ConfigError
from tests.random_model import random_picture

RATIOS = (0.4, 0.4, 0.2)


@pytest.mark.parametrize("eta", [0.0, 0.5])
@pytest.mark.parametrize("coding", MODES)
def test_a_trial_tells_the_size_of_the_file(codec: Codec, coding: str, eta: float) -> None:
    picture = codec.analyse(random_picture(160, 112, seed=3))
    trial = codec.try_out(picture, codec.order_cells(picture, RATIOS), eta=eta, coding=coding)
    written = codec.write(trial.encoded, coding=coding)
    assert abs(len(written.data) - trial.bytes) <= 5
    assert set(trial.parts) == set(written.parts)
    assert all(trial.parts[g] == pytest.approx(written.parts[g], rel=1e-9, abs=1e-6) for g in GRANULARITIES)
    read = codec.read(written.data)
    assert all(np.array_equal(read.indices[g], trial.encoded.indices[g]) for g in GRANULARITIES)


@pytest.mark.parametrize("coding", ["adaptive", "static-arithmetic", "static-huffman"])
def test_a_bit_that_is_worth_more_is_sent_less(codec: Codec, coding: str) -> None:
    picture = codec.analyse(random_picture(160, 112, seed=3))
    masks = codec.order_cells(picture, RATIOS)
    sizes = [codec.try_out(picture, masks, eta=eta, coding=coding).bytes for eta in (0.0, 0.1, 1.0, 10.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.9 * sizes[0]


def test_indices_of_fixed_length_leave_nothing_to_choose(codec: Codec) -> None:
    picture = codec.analyse(random_picture(64, 64, seed=3))
    masks = codec.order_cells(picture, RATIOS)
    chosen = codec.try_out(picture, masks, eta=1.0, coding="fixed-length").encoded
    assert all(np.array_equal(chosen.indices[g], codec.quantise(picture, masks).indices[g]) for g in GRANULARITIES)


def test_cells_seen_before_do_not_change_what_comes(codec: Codec) -> None:
    pixels = random_picture(96, 80, seed=5)
    used = codec.analyse(pixels)
    for ratios in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        codec.quantise(used, codec.order_cells(used, ratios))
    again = codec.quantise(used, codec.order_cells(used, RATIOS))
    fresh = codec.encode(pixels, ratios=RATIOS)
    assert all(np.array_equal(again.indices[g], fresh.indices[g]) for g in GRANULARITIES)
    assert again.z is not None
    assert fresh.z is not None
    assert all(np.array_equal(again.z[g], fresh.z[g]) for g in again.z)


def test_weights_draw_the_fine_cells(codec: Codec) -> None:
    picture = codec.analyse(random_picture(96, 100, seed=5))
    weights = np.ones((100, 96), np.float32)
    weights[:48, :48] = 5
    plain, drawn = (codec.order_cells(picture, (0.25, 0.5, 0.25), w) for w in (None, weights))
    assert drawn.fine[:12, :12].mean() > plain.fine[:12, :12].mean() + 0.2
    assert [drawn.count(g) for g in GRANULARITIES] == [plain.count(g) for g in GRANULARITIES]
    neutral = codec.order_cells(picture, (0.25, 0.5, 0.25), np.ones_like(weights))
    assert all(np.array_equal(neutral[g], plain[g]) for g in GRANULARITIES)


def test_an_unknown_mode_is_named(codec: Codec) -> None:
    picture = codec.analyse(random_picture(32, 32, seed=5))
    with pytest.raises(ConfigError, match="'morse' is unknown"):
        codec.try_out(picture, codec.order_cells(picture, RATIOS), coding="morse")


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_what_a_trial_has_coded_is_what_writing_would_code(codec: Codec, eta: float) -> None:
    picture = codec.analyse(random_picture(160, 112, seed=3))
    encoded = codec.try_out(picture, codec.order_cells(picture, RATIOS), eta=eta).encoded
    assert encoded.coded is not None
    afresh = codec.write(replace(encoded, coded=None))
    assert codec.write(encoded).data == afresh.data
    assert encoded.coded.parts == pytest.approx(
        {name: bits for name, bits in afresh.parts.items() if name != "container"}
    )
    assert codec.write(encoded, coding="fixed-length").data != afresh.data


@pytest.mark.parametrize("coding", [mode for mode in MODES if mode != "adaptive"])
def test_a_trial_of_another_mode_has_nothing_of_the_adaptive_one(codec: Codec, coding: str) -> None:
    picture = codec.analyse(random_picture(64, 64, seed=3))
    assert codec.try_out(picture, codec.order_cells(picture, RATIOS), coding=coding).encoded.coded is None


@pytest.mark.parametrize("coding", MODES)
def test_what_was_read_can_be_written_again(codec: Codec, coding: str) -> None:
    encoded = codec.encode(random_picture(96, 80, seed=5), ratios=RATIOS)
    data = codec.write(encoded, coding=coding).data
    read = codec.read(data)
    assert codec.write(read, coding=coding).data == data
    if coding == "adaptive":
        assert codec.write(read, coding="zip").data == codec.write(encoded, coding="zip").data
    elif codec.config.entropy.z_channels:
        with pytest.raises(ValueError, match="z lacks the hyper-latent"):
            codec.write(read, coding="adaptive")
