"""Residual blocks strip by strip, and enlarging by a product, give what PyTorch's layers give."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.models import strips
from hvqcgic.models.backbone import ResidualBlock, residual_blocks
from hvqcgic.models.bf16 import PicturePrecision, use_bf16
from hvqcgic.models.decoder import enlarge


def by_pytorch(block: ResidualBlock, x: Tensor) -> Tensor:
    return x + block.second(F.silu(block.first(F.silu(x))))


def blocks_of(width: int, count: int, *, tiled: bool) -> nn.Sequential:
    torch.manual_seed(0)
    found = residual_blocks(width, count, tiled=tiled).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    for block in found:
        assert isinstance(block, ResidualBlock)
        block.second.weight.data.mul_(10)
    return found


def plane(*shape: int) -> Tensor:
    made = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return made.contiguous(memory_format=torch.channels_last)


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("positions", [16, 96, 10**6])
@pytest.mark.parametrize(
    ("width", "side", "tiled"),
    [(80, (24, 8), True), (80, (4, 4), True), (80, (24, 8), False), (80, (7, 5), True), (32, (9, 6), False)],
)
def test_strips_give_what_whole_planes_give(
    monkeypatch: pytest.MonkeyPatch, positions: int, width: int, side: tuple[int, int], tiled: bool
) -> None:
    for name in ("POSITIONS", "POSITIONS_IN_THREADS"):
        monkeypatch.setattr(strips, name, positions)
    monkeypatch.setattr(strips, "LARGE_PLANE", 0)
    blocks = blocks_of(width, 2, tiled=tiled)
    x = plane(1, width, *side)
    with torch.inference_mode():
        expected = x
        for block in blocks:
            assert isinstance(block, ResidualBlock)
            expected = by_pytorch(block, expected)
        found = blocks(x.clone(memory_format=torch.preserve_format))
    assert (found - expected).abs().max() <= 3e-5 * expected.abs().max()


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("positions", [16, 256, 10**6])
def test_a_window_gives_the_same_bits_as_the_whole_plane(
    monkeypatch: pytest.MonkeyPatch, positions: int, precision: PicturePrecision
) -> None:
    blocks = blocks_of(80, 2, tiled=True)
    use_bf16(blocks, precision, torch.device("cpu"))
    x = plane(1, 80, 64, 48)
    with torch.inference_mode():
        whole = blocks(x.clone(memory_format=torch.preserve_format))
        for name in ("POSITIONS", "POSITIONS_IN_THREADS", "POSITIONS_IN_BF16"):
            monkeypatch.setattr(strips, name, positions)
        window = blocks(x[:, :, 16:, 8:].contiguous(memory_format=torch.channels_last))
    # Each of four convolutions reads up to four positions beyond a tile.
    assert torch.equal(window[:, :, 16:, 16:], whole[:, :, 32:, 24:])


def test_enlarging_is_a_pointwise_convolution_and_a_pixel_shuffle() -> None:
    convolution = nn.Conv2d(6, 20, 1)
    x = torch.randn(2, 6, 3, 5, generator=torch.Generator().manual_seed(1))
    expected = F.pixel_shuffle(convolution(x), 2)
    assert torch.allclose(enlarge(x, convolution), expected, atol=1e-5)
