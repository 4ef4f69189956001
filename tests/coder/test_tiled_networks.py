"""Tiles equal the whole: features, hyper-latents and pictures, at every border, with every kind of network."""

import re
from functools import cache

import numpy as np
import pytest
import torch

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.codec.codec import Codec, load
from hvqcgic.coder import window_size
from hvqcgic.coder.tiled_networks import TiledNetworks
from hvqcgic.errors import ConfigError
from hvqcgic.models.granularity import GranularityMap
from hvqcgic.models.picture_model import PictureModel
from hvqcgic.models.selection import information_density, pad_to_cells, picture_density, select_cells
from tests.control_gic import build
from tests.models.small import SMALL, published_config
from tests.random_model import random_model, random_picture, small_config
from tests.random_proxy import with_random_proxy

CPU = torch.device("cpu")
CONFIGS = {
    "small": small_config(),
    "deep": SMALL,
    "reads prior": small_config(decoder_prior=True, form="diagonal"),
}
SIZES = ((200, 131), (16, 300), (241, 1), (161, 176))
"""Widths and heights: odd ones, one cell high, one pixel wide, and a last tile of less than a cell."""


@cache
def networks(name: str) -> PictureModel:
    return random_model(CONFIGS[name], seed=3).model.requires_grad_(False)


def padded(width: int, height: int) -> torch.Tensor:
    """A picture as its networks see it whole, (1, 3, H, W)."""
    return pad_to_cells(torch.from_numpy(random_picture(width, height, seed=9)).permute(2, 0, 1)[None].float() / 255)


@pytest.mark.parametrize(("extra", "px_at_once"), [(0, 0), (48, 0), (0, 10**7)])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", CONFIGS)
def test_tiles_equal_the_whole(
    name: str, size: tuple[int, int], extra: int, px_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_size, "px_at_once", lambda device: px_at_once)
    model, pixels = networks(name), random_picture(*size, seed=9)
    smallest = max(sight.smallest_tile for sight in TiledNetworks(model, CPU)._sights.values())
    tiled, whole = TiledNetworks(model, CPU, smallest + extra), TiledNetworks(model, CPU)
    cut, uncut = tiled.features(pixels), whole.features(pixels)
    with torch.inference_mode():
        expected = model.encoder(padded(*size))
    masks = select_cells(model.config, padded(*size), [(0.4, 0.4, 0.2)])
    indices = {}
    for g in GRANULARITIES:
        assert torch.equal(uncut[g], expected[g])
        torch.testing.assert_close(cut[g], expected[g], rtol=1e-4, atol=1e-5)
        rows = (y[g].permute(0, 2, 3, 1)[masks[g][:, 0]] for y in (cut, uncut))
        own, other = (model.quantiser(y).indices.numpy() for y in rows)
        np.testing.assert_array_equal(own, other)
        indices[g] = own
    z, expected_z = tiled.hyper_latents(expected, masks), model.hyper_latents(expected, masks)
    assert z.keys() == expected_z.keys()
    for g, values in z.items():
        torch.testing.assert_close(values, expected_z[g], rtol=1e-4, atol=1e-4)
    check_pictures(tiled, whole, indices, masks, size)


def check_pictures(
    tiled: TiledNetworks, whole: TiledNetworks, indices: dict, masks: GranularityMap, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    plain = {g: masks[g][0, 0].numpy() for g in GRANULARITIES}
    told = {g: rng.normal(size=(8, len(indices[g]))).astype(np.float32) for g in GRANULARITIES}
    parameters = told if whole._networks.config.backbone.decoder_prior else None
    width, height = size
    own, other = (
        each.reconstruct(indices, plain, parameters, height=height, width=width).astype(np.int16)
        for each in (tiled, whole)
    )
    assert own.shape == (height, width, 3)
    assert np.abs(own - other).max() <= 1
    assert np.mean(own != other) < 0.001


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_of_a_proxy_equal_the_whole(size: tuple[int, int]) -> None:
    frozen = with_random_proxy(random_model(small_config(), seed=3).freeze(), width=8, blocks=2)
    model, (width, height) = frozen.picture_model(CPU), size
    masks = select_cells(model.config, padded(*size), [(0.4, 0.4, 0.2)])
    plain = {g: masks[g][0, 0].numpy() for g in GRANULARITIES}
    rng = np.random.default_rng(0)
    indices = {g: rng.integers(0, model.config.codebook_size, plain[g].sum()) for g in GRANULARITIES}
    smallest = max(sight.smallest_tile for sight in TiledNetworks(model, CPU)._sights.values())
    own, other = (
        TiledNetworks(model, CPU, *tile)
        .reconstruct(indices, plain, None, height=height, width=width, by_proxy=True)
        .astype(np.int16)
        for tile in ((smallest,), ())
    )
    assert own.shape == (height, width, 3)
    assert np.abs(own - other).max() <= 1
    assert np.mean(own != other) < 0.001


def test_a_smaller_halo_would_not_do() -> None:
    """What lies beyond the window has no part in the core, and one unit closer it has."""
    model = networks("deep")
    far = TiledNetworks(model, CPU)._sights["encoder"].halo
    assert far is not None
    for around, clean in ((far, True), (far - window_size.UNIT, False)):
        picture = padded(16, 304)
        picture[..., : 160 - around, :] = torch.nan
        assert (not model.encoder(picture)["coarse"][..., 10:, :].isnan().any()) == clean


def test_what_the_bundled_architecture_sees() -> None:
    config = published_config("tiny")
    with torch.device("meta"):
        blank = PictureModel(config)
    model = blank.to_empty(device="cpu").requires_grad_(False)
    for weight in model.parameters():
        weight.fill_(0.01)
    sights = TiledNetworks(model, CPU)._sights
    # Encoder: 1 + 1 at H/2, 4 + 1 at H/4, 2 + 1 at H/8, 3 at H/16. Decoder: 3 at H/16, 2 at H/8, 6 at H/4, 3 at H/2.
    # A convolution of the blocks at H/4 reads up to 4 positions beyond, not 1: to the end of a tile and 1 more.
    encoder, decoder = 2 * 2 + 5 * 4 + 3 * 8 + 3 * 16, 3 * 16 + 2 * 8 + 6 * 4 + 3 * 2
    assert sights["encoder"].halo == 144
    assert encoder < 144 <= encoder + 4 * 3 * 4
    assert sights["decoder"].halo == 176
    assert decoder < 176 <= decoder + 6 * 3 * 4 + 16
    # Pooled hyper-latents see some cells around their 64 x 64; windows start at multiples of these.
    assert {(sights[g].halo, sights[g].unit) for g in GRANULARITIES} == {(64, 64)}


def test_control_gic_runs_whole() -> None:
    model = build().requires_grad_(False)
    tiled = TiledNetworks(model, CPU, 96)
    assert tiled._sights["encoder"].halo is tiled._sights["decoder"].halo is None
    expected = model.encoder(padded(176, 48))
    assert all(torch.equal(y, expected[g]) for g, y in tiled.features(random_picture(176, 48, seed=9)).items())


@pytest.mark.parametrize("tile", [0, -5, 8, 2.5, True, "big"])
def test_a_tile_that_is_no_size(tile: object) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"tile {tile!r} is no size; give a whole number of pixels")):
        TiledNetworks(networks("small"), CPU, tile)  # pyright: ignore[reportArgumentType]


def test_a_tile_too_small_says_what_would_do() -> None:
    with pytest.raises(ConfigError, match="tile 64 is smaller than the margin that the networks of random") as caught:
        TiledNetworks(networks("small"), CPU, 64)
    least = re.search(r"give at least (\d+), or auto", str(caught.value))
    assert least
    TiledNetworks(networks("small"), CPU, int(least[1]))
    with pytest.raises(ConfigError):
        TiledNetworks(networks("small"), CPU, int(least[1]) - 1)


def test_large_pictures_are_cut_without_being_asked(
    codec: Codec, tiny_model_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = random_picture(260, 150, seed=2)
    data = codec.compress(picture)
    whole = np.asarray(codec.decompress(data), np.int16)
    monkeypatch.setattr(window_size, "AUTO_TILE", 144)
    calls: list[tuple[int, ...]] = []
    codec.networks.encoder.register_forward_pre_hook(lambda _, inputs: calls.append(tuple(inputs[0].shape)))
    try:
        assert codec.compress(picture) == data
    finally:
        codec.networks.encoder._forward_pre_hooks.clear()
    windows = [shape for shape in calls if shape[-1] != shape[-2] or max(shape[-2:]) < 1000]
    assert sum(max(shape[-2:]) <= 144 for shape in windows) >= 4
    again = np.asarray(load(str(tiny_model_path), "cpu", tile=160).decompress(data), np.int16)
    assert np.abs(again - whole).max() <= 1


@pytest.mark.parametrize("size", [(700, 999), (3, 40), (33, 16)], ids=str)
@pytest.mark.parametrize("selection", ["ordered", "published"])
def test_bands_have_the_density_of_the_whole(
    selection: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hvqcgic.models import selection as module
    from hvqcgic.models.config import ModelConfig

    monkeypatch.setattr(module, "BAND_PIXELS", 700 * 64)
    config = ModelConfig(selection=selection)  # pyright: ignore[reportArgumentType]
    found, expected = picture_density(config, random_picture(*size, seed=9)), information_density(config, padded(*size))
    torch.testing.assert_close(found.of_16, expected.of_16, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.of_8, expected.of_8, rtol=0, atol=1e-9)
