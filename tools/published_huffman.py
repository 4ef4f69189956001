"""The byte streams of Control-GIC's published code: one Huffman table for all granularities, masks as raw bits.

They show that indices and masks equal the published ones. This project's files use another format. Written from a
description of the published format.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from hvqcgic.models import GranularityMap

STREAMS = {
    (True, True, True): ("indices_coarse", "indices_medium", "indices_fine", "mask_coarse", "mask_medium"),
    (True, True, False): ("indices_medium", "indices_fine", "mask_medium"),
    (True, False, True): ("indices_coarse", "indices_fine", "mask_coarse"),
    (False, True, True): ("indices_coarse", "indices_medium", "mask_coarse"),
    (False, False, True): ("indices_coarse",),
    (False, True, False): ("indices_medium",),
    (True, False, False): ("indices_fine",),
}
"""The files of a picture, by the set of nonzero shares (fine, medium, coarse)."""


@dataclass(order=True)
class _Node:
    """A code, or a parent of two nodes; compared by frequency only, so that the heap resolves ties."""

    frequency: int
    content: int | tuple[_Node, _Node] = field(compare=False)


def code_words(counts: Sequence[int]) -> list[str]:
    """The code word of every index, as a string of 0 and 1.

    Leaves enter a binary heap in the order of their indices' decimal strings, as in the published counters: 0, 1, 10,
    100 ... Python's heap resolves ties between equally frequent nodes.

    Args:
        counts: uses of each index, zeros included; at least two.
    """
    heap: list[_Node] = []
    for index in sorted(range(len(counts)), key=str):
        heapq.heappush(heap, _Node(counts[index], index))
    while len(heap) > 1:
        left, right = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, _Node(left.frequency + right.frequency, (left, right)))
    words, open_nodes = [""] * len(counts), [(heap[0], "")]
    while open_nodes:
        node, word = open_nodes.pop()
        if isinstance(node.content, int):
            words[node.content] = word
        else:
            open_nodes += [(node.content[0], word + "0"), (node.content[1], word + "1")]
    return words


def to_stream(bits: str) -> bytes:
    """A header byte with the number of padding bits, the bits, and 1 to 8 padding bits; nothing for no bits."""
    if not bits:
        return b""
    padding = 8 - len(bits) % 8
    return bytes([padding]) + int(bits + "0" * padding, 2).to_bytes((len(bits) + padding) // 8, "big")


def streams_of(
    indices: dict[str, Tensor],
    masks: GranularityMap,
    words: list[str],
    *,
    fine: float,
    medium: float,
    coarse: float,
) -> dict[str, bytes]:
    """The files of a picture, by their content.

    Args:
        indices: of the cells of each granularity, (N_g,), in raster order.
        masks: its granularity map.
        words: code words of all indices.
        fine: share of fine cells, as computed; only the comparison with zero matters.
        medium: share of medium cells.
        coarse: share of coarse cells.
    """
    found = {}
    for name in STREAMS[fine != 0, medium != 0, coarse != 0]:
        kind, granularity = name.split("_")
        values = (indices if kind == "indices" else masks)[granularity].flatten().long().tolist()
        found[name] = to_stream("".join((words if kind == "indices" else ("0", "1"))[value] for value in values))
    return found
