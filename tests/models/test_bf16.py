"""Picture networks in bfloat16: near those in float32, the same in every window, and never for what streams need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.codec.codec import load
from hvqcgic.coder.tiled_networks import TiledNetworks
from hvqcgic.errors import ConfigError
from hvqcgic.model_files.frozen_model import write_model
from hvqcgic.models import bf16, strips
from hvqcgic.models.backbone import ResidualBlock, residual_blocks
from hvqcgic.models.decoder import enlarge
from hvqcgic.models.picture_model import PictureModel
from tests.random_model import random_model, random_picture, small_config

CPU = torch.device("cpu")


def plane(*shape: int) -> Tensor:
    made = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return made.contiguous(memory_format=torch.channels_last)


def apart(found: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference, relative to that of the expected values."""
    return float((found - expected).square().mean().sqrt() / expected.square().mean().sqrt())


@torch.inference_mode()
def both(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs in bfloat16 and in float32, both float32."""
    results = []
    for precision in ("bfloat16", "float32"):
        bf16.use_bf16(network, precision, CPU)
        results.append(network(x.clone(memory_format=torch.preserve_format)))
        assert results[-1].dtype == torch.float32
    return results[0], results[1]


@pytest.mark.parametrize("large", [0, 10**9])
def test_blocks_differ_by_roundings(monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    monkeypatch.setattr(strips, "LARGE_PLANE", large)
    for tiled in (False, True):
        torch.manual_seed(0)
        blocks = residual_blocks(64, 2, tiled=tiled)
        for block in blocks:
            assert isinstance(block, ResidualBlock)
            block.second.weight.data.mul_(10)
        half, single = both(blocks, plane(1, 64, 24, 16))
        assert 1e-5 < apart(half, single) < 1e-2


def test_enlarging_differs_by_roundings() -> None:
    convolution = bf16.Convolution(16, 32, 1)
    x = plane(1, 16, 6, 10)
    with torch.inference_mode():
        single = enlarge(x, convolution)
        bf16.use_bf16(convolution, "bfloat16", CPU)
        half = enlarge(x, convolution)
    assert half.dtype == torch.float32
    assert 1e-5 < apart(half, single) < 1e-2


def test_a_window_gives_the_same_bits_as_the_whole_plane() -> None:
    torch.manual_seed(0)
    blocks = residual_blocks(80, 2, tiled=True)
    bf16.use_bf16(blocks, "bfloat16", CPU)
    x = plane(1, 80, 64, 48)
    with torch.inference_mode():
        whole = blocks(x.clone(memory_format=torch.preserve_format))
        window = blocks(x[:, :, 16:, 8:].contiguous(memory_format=torch.channels_last))
    assert torch.equal(window[:, :, 4:, 4:], whole[:, :, 20:, 12:])


def test_gradients_are_of_float32() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(64)
    x = plane(1, 64, 8, 8)
    expected = block(x)
    bf16.use_bf16(block, "bfloat16", CPU)
    assert torch.equal(block(x), expected)


def model() -> PictureModel:
    return random_model(small_config(), seed=3).model.requires_grad_(False)


def test_features_and_pictures_stay_float32_and_near() -> None:
    networks = model()
    pixels = random_picture(96, 64, seed=2)
    found = {}
    for precision in ("float32", "bfloat16"):
        bf16.use_bf16(networks, precision, CPU)
        found[precision] = TiledNetworks(networks, CPU).features(pixels)
    for g in GRANULARITIES:
        assert found["bfloat16"][g].dtype == torch.float32
        assert 1e-5 < apart(found["bfloat16"][g], found["float32"][g]) < 2e-2


def test_tiles_change_no_feature() -> None:
    networks = model()
    bf16.use_bf16(networks, "bfloat16", CPU)
    whole = TiledNetworks(networks, CPU)
    smallest = max(sight.smallest_tile for sight in whole._sights.values())
    pixels = random_picture(200, 131, seed=9)
    cut, uncut = (each.features(pixels) for each in (TiledNetworks(networks, CPU, smallest), whole))
    for g in GRANULARITIES:
        torch.testing.assert_close(cut[g], uncut[g], rtol=1e-4, atol=1e-5)


def test_files_of_either_precision_decode_in_the_other(tmp_path: Path) -> None:
    path, picture = tmp_path / "small.safetensors", random_picture(80, 64, seed=5)
    write_model(random_model().freeze(), path)
    codecs = [load(path, "cpu", precision=precision) for precision in ("float32", "bfloat16")]
    for codec in codecs:
        data = codec.compress(picture)
        pictures = [np.asarray(each.decompress(data)).astype(int) for each in codecs]
        assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 1
        indices = [each.read(data).indices for each in codecs]
        assert all(np.array_equal(indices[0][g], indices[1][g]) for g in GRANULARITIES)


@pytest.mark.parametrize("multiplies", [True, False])
def test_auto_asks_the_processor(monkeypatch: pytest.MonkeyPatch, multiplies: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": multiplies})
    block = ResidualBlock(8)
    bf16.use_bf16(block, "auto", CPU)
    assert block.first.in_bf16 == block.second.in_bf16 == multiplies
    bf16.use_bf16(block, "auto", torch.device("cuda"))
    assert not block.first.in_bf16


def test_a_pytorch_that_does_not_say_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not bf16.processor_multiplies_bf16()


def test_an_unknown_precision_is_named(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    write_model(random_model().freeze(), path)
    with pytest.raises(ConfigError, match="precision 'int8' is not known; it is one of auto, float32, bfloat16"):
        load(path, "cpu", precision="int8")  # pyright: ignore[reportArgumentType]
