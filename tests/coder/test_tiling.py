"""Tiles: they cover a plane once, and a network asked what it sees gives the halo that makes tiles equal the whole."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hvqcgic.coder.tiling import batches, cut, halo, tiles
from hvqcgic.models.control_gic_blocks import PlainNorm

CPU = torch.device("cpu")


@given(st.integers(1, 200), st.integers(0, 5), st.integers(1, 12), st.sampled_from([1, 4, 16]))
def test_windows_cover_an_axis_once(cells: int, halo_cells: int, spare: int, unit: int) -> None:
    length, around, most = cells * unit, halo_cells * unit, (2 * halo_cells + spare) * unit
    spans = cut(length, most=most, halo=around, unit=unit)
    assert [span.first for span in spans] == [0, *(span.last for span in spans[:-1])]
    assert spans[-1].last == length
    for span in spans:
        assert span.stop - span.start <= most
        assert all(place % unit == 0 for place in (span.start, span.first, span.last))
        assert span.start <= span.first < span.last <= span.stop
        assert span.start == max(0, span.first - around)
        assert span.stop == length or span.stop - span.last == around
    fewest = 1 if length <= most else math.ceil((length - 2 * around) / (most - 2 * around))
    assert len(spans) == fewest


def test_an_axis_that_ends_between_units() -> None:
    spans = cut(38, most=16, halo=4, unit=4)
    assert spans[-1].stop == spans[-1].last == 38
    assert all(span.start % 4 == span.first % 4 == 0 for span in spans)


def test_tiles_are_put_together_again() -> None:
    plane = torch.rand(1, 3, 38, 53)
    found, coarser = torch.zeros_like(plane), torch.zeros(1, 3, 10, 14)
    for tile in tiles(38, 53, most=24, halo=4, unit=4):
        window = tile.window(plane)
        tile.put(window, found)
        padded = nn.functional.pad(window, (0, -window.shape[-1] % 4, 0, -window.shape[-2] % 4))
        tile.put(nn.functional.avg_pool2d(padded, 4), coarser, 4)
    assert torch.equal(found, plane)
    expected = nn.functional.avg_pool2d(nn.functional.pad(plane, (0, 3, 0, 2)), 4)
    torch.testing.assert_close(coarser, expected)


def test_batches_hold_windows_of_one_size() -> None:
    plane, found = torch.rand(1, 3, 38, 53), torch.zeros(1, 3, 38, 53)
    cut_up = tiles(38, 53, most=16, halo=4, unit=4)
    sizes = []
    for batch in batches(cut_up, 3 * 16 * 16):
        windows = batch.window(plane)
        sizes.append(len(windows))
        assert windows[:, 0].numel() <= 3 * 16 * 16
        batch.put(windows, found)
    assert torch.equal(found, plane)
    assert sum(sizes) == len(cut_up)
    assert max(sizes) == 3
    assert [len(batch.tiles) for batch in batches(cut_up, 0)] == [1] * len(cut_up)


def seen(network: nn.Module, unit: int, channels: int = 2) -> int | None:
    return halo(lambda x: [network(x)], channels, unit, CPU)


def test_what_convolutions_see_adds_up() -> None:
    assert seen(nn.Conv2d(2, 2, 1), 1) == 0
    assert seen(nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.SiLU(), nn.Conv2d(2, 2, 5, padding=2)), 1) == 3
    # The wider side of a kernel, or the wider direction, is what counts.
    assert seen(nn.Sequential(nn.ZeroPad2d((4, 0, 1, 1)), nn.Conv2d(2, 2, (3, 5))), 1) == 4
    assert seen(nn.Conv2d(2, 2, 3, padding=2, dilation=2), 1) == 2


def test_strides_and_enlargement_scale_what_is_seen() -> None:
    down = nn.Sequential(nn.Conv2d(2, 4, 4, stride=2, padding=1), nn.Conv2d(4, 4, 3, padding=1))
    assert seen(down, 2) == 4  # 1 + 2 positions, in steps of 2
    up = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(2, 2, 3, padding=1))
    assert seen(up, 1) == 2  # 1 + 1/2 positions
    assert seen(nn.Sequential(down, nn.AvgPool2d(2), nn.Upsample(scale_factor=4)), 4) == 4


class Skip(nn.Module):
    """Nothing that a list of layers would tell: two ways of unlike width, added."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 9, padding=4)

    def forward(self, x: Tensor) -> Tensor:
        return self.near(x) + self.far(self.near(x))


def test_the_longest_way_counts() -> None:
    assert seen(Skip(), 1) == 5


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean((2, 3), keepdim=True)


@pytest.mark.parametrize("network", [PlainNorm(2, 1), Mean(), nn.Conv2d(2, 2, 91, padding=45)], ids=str)
def test_what_sees_all_or_far_is_not_cut(network: nn.Module) -> None:
    assert seen(network, 1) is None
