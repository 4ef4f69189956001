"""The published byte streams: the code is a good one, ties fall by the heap, padding as described."""

import heapq

import pytest
import torch
from published_huffman import code_words, streams_of, to_stream

from hvqcgic.bitstream.schedule import GRANULARITIES
from tests.models.small import random_masks


def heap_cost(counts: list[int]) -> int:
    """Bits of an optimal prefix code: the sum of all inner nodes."""
    heap, total = sorted(counts), 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


@pytest.mark.parametrize("size", [2, 3, 12, 100])
def test_words_are_an_optimal_prefix_code(size: int) -> None:
    counts = torch.randint(0, 50, (size,), generator=torch.Generator().manual_seed(size)).tolist()
    words = code_words(counts)
    assert sum(2.0 ** -len(word) for word in words) == 1
    assert len(set(words)) == size
    assert sum(count * len(word) for count, word in zip(counts, words, strict=True)) == heap_cost(counts)


def test_leaves_enter_in_the_order_of_their_decimal_strings() -> None:
    # 11 equal counts: 10 enters before 2, which only strings tell; pairs form in the order of entry.
    words = code_words([1] * 11)
    assert words[0][:-1] == words[1][:-1] or words[0][:-1] == words[10][:-1]
    assert sorted(map(len, words)) == [3] * 5 + [4] * 6


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("", b""),
        ("1", bytes([7, 0b10000000])),
        ("1010101", bytes([1, 0b10101010])),
        ("11110000", bytes([8, 0b11110000, 0])),
    ],
)
def test_streams_name_their_padding(bits: str, expected: bytes) -> None:
    assert to_stream(bits) == expected


@pytest.mark.parametrize(
    ("ratios", "names"),
    [
        ((0.4, 0.3, 0.3), {"indices_coarse", "indices_medium", "indices_fine", "mask_coarse", "mask_medium"}),
        ((0.5, 0.5, 0.0), {"indices_medium", "indices_fine", "mask_medium"}),
        ((0.5, 0.0, 0.5), {"indices_coarse", "indices_fine", "mask_coarse"}),
        ((0.0, 0.5, 0.5), {"indices_coarse", "indices_medium", "mask_coarse"}),
        ((0.0, 0.0, 1.0), {"indices_coarse"}),
        ((0.0, 1.0, 0.0), {"indices_medium"}),
        ((1.0, 0.0, 0.0), {"indices_fine"}),
    ],
)
def test_every_mode_writes_its_files(ratios: tuple[float, float, float], names: set[str]) -> None:
    masks = random_masks(1, 3, 4, ratios=ratios)
    indices = {g: torch.arange(int(masks[g].sum())) % 4 for g in GRANULARITIES}
    words = ["0", "10", "110", "111"]
    streams = streams_of(indices, masks, words, fine=ratios[0], medium=ratios[1], coarse=ratios[2])
    assert set(streams) == names
    for granularity in GRANULARITIES:
        if f"indices_{granularity}" in names:
            bits = "".join(words[k] for k in indices[granularity].tolist())
            assert streams[f"indices_{granularity}"] == to_stream(bits)
    if "mask_medium" in names:
        assert len(streams["mask_medium"]) == 1 + 6 * 8 // 8 + 1
