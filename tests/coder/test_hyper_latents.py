"""Models with local means and with other hyperpriors, through files."""

import dataclasses
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from hvqcgic.bitstream import GRANULARITIES, MEANS, MODES
from hvqcgic.codec import Codec
from hvqcgic.coder import tiled_networks
from hvqcgic.errors import ConfigError
from hvqcgic.models import ControlGicConfig, MeansConfig, ModelConfig
from hvqcgic.training.thaw import thaw_networks
from hvqcgic.training.validation import measure
from tests.random_model import random_model, random_picture, small_config


def made(block_px: Literal[32, 64] = 32, *, decoder_prior: bool = False) -> Codec:
    config = dataclasses.replace(small_config(decoder_prior=decoder_prior), means=MeansConfig(block_px=block_px))
    return Codec(random_model(config).freeze(), torch.device("cpu"))


@pytest.mark.parametrize(("block_px", "decoder_prior"), [(32, False), (32, True), (64, False)])
def test_every_mode_gives_the_same_picture(block_px: Literal[32, 64], decoder_prior: bool) -> None:
    codec = made(block_px, decoder_prior=decoder_prior)
    analysed = codec.analyse(Image.fromarray(random_picture(90, 130, seed=1)))
    encoded = codec.quantise(analysed, codec.order_cells(analysed, (0.5, 0.4, 0.1)))
    direct = np.asarray(codec.reconstruct(encoded))
    for mode in MODES:
        written = codec.write(encoded, coding=mode)
        assert sum(written.parts.values()) == pytest.approx(8 * len(written.data))
        assert written.parts["z"] > 0
        np.testing.assert_array_equal(np.asarray(codec.decompress(written.data)), direct)


@pytest.mark.parametrize("entropy", [{"z_footprint": 8}, {"context": False, "schedule": ("coarse", "medium", "fine")}])
def test_files_of_other_hyperpriors_hold_what_training_estimates(entropy: dict[str, Any]) -> None:
    random, picture = random_model(small_config(**entropy)), random_picture(96, 128, seed=4)
    codec = Codec(random.freeze(), torch.device("cpu"))
    estimated = measure(
        *(random.model, random.priors, torch.from_numpy(picture).permute(2, 0, 1).float() / 255),
        (0.5, 0.4, 0.1),
        perceptual=None,
    ).rate
    encoded = codec.encode(picture, ratios=(0.5, 0.4, 0.1))
    written = codec.write(encoded)
    assert estimated is not None
    assert written.parts["z"] == pytest.approx(float(estimated.z_bits), rel=0.02)
    assert sum(written.parts[g] for g in GRANULARITIES) == pytest.approx(float(estimated.index_bits), rel=0.01)
    np.testing.assert_array_equal(np.asarray(codec.decompress(written.data)), np.asarray(codec.reconstruct(encoded)))


def test_the_picture_changes_with_its_means() -> None:
    codec = made()
    picture = random_picture(64, 64, seed=2)
    analysed = codec.analyse(Image.fromarray(picture))
    encoded = codec.quantise(analysed, codec.order_cells(analysed, (0.2, 0.4, 0.4)))
    assert encoded.means is not None
    brighter = dataclasses.replace(encoded, means=encoded.means + np.array([2, 0, 0])[:, None, None])
    first, second = (np.asarray(codec.reconstruct(e)).astype(float) for e in (encoded, brighter))
    # Two steps of luma are 20 of 255; the clamp and the decoder's own reading move single pixels.
    assert np.median(second - first) == pytest.approx(20, abs=4)


def test_means_come_from_bands_as_from_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    codec, pixels = made(), random_picture(70, 150, seed=4)
    whole = codec.analyse(pixels).features[MEANS]
    monkeypatch.setattr(tiled_networks, "BAND_PIXELS", 1)
    assert torch.equal(codec.analyse(pixels).features[MEANS], whole)


def test_tiles_change_nothing() -> None:
    config = dataclasses.replace(small_config(), means=MeansConfig())
    frozen, picture = random_model(config).freeze(), random_picture(230, 310, seed=3)
    whole, cut = (Codec(frozen, torch.device("cpu"), tile=tile) for tile in ("auto", 144))
    features = [codec.analyse(Image.fromarray(picture)).features for codec in (whole, cut)]
    for name in features[0]:
        torch.testing.assert_close(features[1][name], features[0][name], rtol=1e-5, atol=1e-5)
    assert torch.equal(features[0][MEANS], features[1][MEANS])
    data = whole.compress(picture)
    difference = np.asarray(whole.decompress(data)).astype(int) - np.asarray(cut.decompress(data))
    assert np.abs(difference).max() <= 1


def test_a_preview_has_the_means_even_without_indices() -> None:
    codec = made()
    picture = np.full((96, 96, 3), 200, np.uint8)
    data = codec.compress(picture, ratios=(0.0, 0.5, 0.5))
    preview = np.asarray(codec.preview(data, max_passes=1, fill="none").picture)
    whole = np.asarray(codec.decompress(data))
    assert abs(float(preview.mean()) - float(whole.mean())) < 40


def test_a_thawed_model_predicts_as_the_frozen_one() -> None:
    config = dataclasses.replace(small_config(), means=MeansConfig())
    random = random_model(config)
    thawed = thaw_networks(random.freeze())
    for name, weight in random.model.means_synthesis.state_dict().items():
        torch.testing.assert_close(thawed.means_synthesis.state_dict()[name], weight, atol=2**-13, rtol=0)


def test_networks_of_control_gic_have_none() -> None:
    with pytest.raises(ConfigError, match=r"model\.means"):
        ModelConfig(control_gic=ControlGicConfig(), means=MeansConfig())
