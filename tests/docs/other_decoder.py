"""Another decoder of `.hvq` files, written from the steps of docs/file_format.md, with nothing of hvqcgic.

It gives the integers of a file: header, granularity map, hyper-latents and indices, in all five coding modes.
"""

import heapq
import json
import zlib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
GRANULARITIES = ("coarse", "medium", "fine")
MODES = ("adaptive", "static-arithmetic", "static-huffman", "fixed-length", "zip")
TYPES = {"I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}


def read_model(path: Path) -> tuple[dict[str, Any], dict[str, Ints], str]:
    """Step 0: description and integer tables of the entropy model, and the fingerprint."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    head = json.loads(data[8:start])
    metadata, arrays = head.pop("__metadata__"), {}
    for name, entry in head.items():
        if name.startswith("entropy."):
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[start + begin : start + end], TYPES[entry["dtype"]])
            arrays[name.removeprefix("entropy.")] = values.reshape(entry["shape"]).astype(np.int64)
    return json.loads(metadata["entropy"]), arrays, metadata["fingerprint"]


class Bytes:
    """Bytes that are read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        self.at += count
        assert self.at <= len(self.data)
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7


def read_container(data: bytes) -> dict[str, Any]:
    """Steps 1 and 2: the fields of the header, and the sections."""
    assert zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
    file = Bytes(data[:-4])
    assert file.take(3) == b"HVQ"
    version, fingerprint, flags = file.take(1)[0], file.take(8).hex(), file.take(1)[0]
    mode = MODES[flags & 7]
    names = ("width", "height", "n_coarse", "n_medium")
    head: dict[str, Any] = {"fingerprint": fingerprint, "mode": mode, **{name: file.varint() for name in names}}
    count = (1 if mode in MODES[:2] else 2) + (flags >> 3 & 1)
    sizes = [file.varint() for _ in range(count - 1 if version == 1 else count)]
    sizes += [len(file.data) - file.at - sum(sizes)] if version == 1 else []
    head["sections"], head["tagged"] = [file.take(size) for size in sizes], {}
    while file.at < len(file.data):
        tag = file.take(4)
        head["tagged"][tag] = file.take(file.varint())
    head["h16"], head["w16"] = -(-head["height"] // 16), -(-head["width"] // 16)
    return head


class RangeDecoder:
    """Step 3: 32-bit words, 64-bit state, probabilities of 24 bits."""

    def __init__(self, data: bytes) -> None:
        self.words = iter(np.frombuffer(data + bytes(-len(data) % 4), ">u4").tolist())
        self.lower, self.size = 0, 2**64 - 1
        self.point = next(self.words, 0) << 32 | next(self.words, 0)

    def symbol(self, frequencies: list[int]) -> int:
        codes = len(frequencies)
        scale = (2**24 - codes) / sum(frequencies)
        lefts = [int(below * scale) + k for k, below in enumerate(accumulate(frequencies, initial=0))]
        lefts[codes] = 2**24
        unit = self.size >> 24
        quantile = (self.point - self.lower) % 2**64 // unit
        k = next(k for k in range(codes) if quantile < lefts[k + 1])
        self.lower = (self.lower + unit * lefts[k]) % 2**64
        self.size = unit * (lefts[k + 1] - lefts[k])
        if self.size < 2**32:
            self.lower, self.size = self.lower << 32 & 2**64 - 1, self.size << 32
            self.point = self.point << 32 & 2**64 - 1 | next(self.words, 0)
        return k


def any_in_blocks(mask: Ints, side: int) -> Ints:
    h, w = mask.shape
    padded = np.zeros((-(-h // side) * side, -(-w // side) * side), np.int64)
    padded[:h, :w] = mask
    return padded.reshape(padded.shape[0] // side, side, padded.shape[1] // side, side).max((1, 3))


def repeat(mask: Ints, factor: int) -> Ints:
    return mask.repeat(factor, 0).repeat(factor, 1)


def read_map(head: dict[str, Any], decoder: RangeDecoder, arrays: dict[str, Ints]) -> dict[str, Ints]:
    """Step 4: the granularity map, coarse plane first."""
    nothing = np.zeros((head["h16"], head["w16"]), np.int64)
    coarse = read_plane(nothing, head["n_coarse"], decoder, arrays, "coarse")
    medium = read_plane(repeat(coarse, 2), head["n_medium"], decoder, arrays, "medium")
    return {"coarse": coarse, "medium": medium, "fine": 1 - np.maximum(repeat(coarse, 4), repeat(medium, 2))}


def read_plane(closed: Ints, left: int, decoder: RangeDecoder, arrays: dict[str, Ints], name: str) -> Ints:
    outside, empty, taken = 0, 1, 2
    span = range(-3, 4)
    around = [(i, j) for i in span for j in span if j + 2 * i < 0 or (i, j) > (0, 0)]
    bounds = [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 62, 63]
    hidden, output = arrays[f"map.{name}.hidden"], arrays[f"map.{name}.output"]
    h, w = closed.shape
    states = np.zeros((h + 6, w + 6), np.int64)
    inside = states[3 : 3 + h, 3 : 3 + w]
    inside[closed == 1] = 3
    cells = sorted((c + 2 * r, r, c) for r in range(h) for c in range(w) if not closed[r, c])
    todo = len(cells)
    for wave in sorted({cell[0] for cell in cells}):
        if left in (0, todo):
            inside[inside == outside] = taken if left else empty
            break
        share, found = sum(bound * todo < 64 * left for bound in bounds), []
        for _, r, c in (cell for cell in cells if cell[0] == wave):
            rows = [3 * n + state - 1 for n, (i, j) in enumerate(around) if (state := states[r + 3 + i, c + 3 + j])]
            active = np.maximum(hidden[rows].sum(0) + hidden[3 * len(around) + share], 0)
            step = int((active @ output[:-1] + output[-1]) * 16 + 2**19 >> 20)
            odds = int(arrays["map.probabilities"][min(max(step, -176), 176) + 176])
            found.append((r, c, decoder.symbol([2**16 - odds, odds])))
        for r, c, bit in found:
            inside[r, c] = taken if bit else empty
            left -= bit
        todo -= len(found)
    return (inside == taken).astype(np.int64)


def read_raw_map(data: bytes, head: dict[str, Any]) -> dict[str, Ints]:
    """Step 4 of the modes with a raw map."""
    h, w = head["h16"], head["w16"]
    bits = np.unpackbits(np.frombuffer(data, np.uint8)).astype(np.int64)
    coarse, medium = bits[: h * w].reshape(h, w), bits[h * w : 5 * h * w].reshape(2 * h, 2 * w)
    return {"coarse": coarse, "medium": medium, "fine": 1 - np.maximum(repeat(coarse, 4), repeat(medium, 2))}


def read_latents(
    decoder: RangeDecoder, masks: dict[str, Ints], arrays: dict[str, Ints], footprint: int
) -> dict[str, Ints]:
    """Step 5: the hyper-latents of the granularities."""
    found: dict[str, Ints] = {}
    for g in (g for g in GRANULARITIES if f"z.{g}" in arrays):
        sent, tables = any_in_blocks(masks[g], footprint), arrays[f"z.{g}"]
        found[g] = np.zeros((len(tables), *sent.shape), np.int64)
        for channel, table in enumerate(tables.tolist()):
            for r, c in np.argwhere(sent):
                found[g][channel, r, c] = decoder.symbol(table) - len(table) // 2
    return found


def read_means(decoder: RangeDecoder, table: Ints, h: int, w: int) -> Ints:
    """Step 5: local means of h x w blocks."""
    bounds, half = [1, 2, 3, 5, 7, 10, 14, 20], table.shape[2] // 2
    values = np.zeros((3, h, w), np.int64)
    blocks = [(c + 2 * r, r, c) for r in range(h) for c in range(w)]
    for wave in sorted({block[0] for block in blocks}):
        found: dict[tuple[int, int], list[int]] = {(r, c): [] for n, r, c in blocks if n == wave}
        near = {place: around(values, *place) for place in found}
        for plane in range(3):
            for place, before in found.items():
                active = near[place][1]
                activity = active[0] if plane == 0 else active[1] + active[2]
                activity += 0 if plane == 0 else abs(before[0]) // 2 if plane == 1 else 2 * abs(before[1])
                number = sum(bound <= activity for bound in bounds)
                before.append(decoder.symbol(table[plane, number].tolist()) - half)
        for (r, c), differences in found.items():
            values[:, r, c] = near[r, c][0] + differences
    return values


def around(values: Ints, r: int, c: int) -> tuple[Ints, Ints]:
    """Prediction and activity of the three planes."""
    last = values.shape[2] - 1
    left = values[:, r, c - 1] if c else np.zeros(3, np.int64)
    above = values[:, r - 1, c] if r else left
    left = left if c else above
    above_left = left if not r else above if not c else values[:, r - 1, c - 1]
    above_right = above if not r or c == last else values[:, r - 1, c + 1]
    told = np.clip(left + above - above_left, np.minimum(left, above), np.maximum(left, above))
    return told, abs(above - above_left) + abs(left - above_left) + abs(above_right - above)


def network(name: str, x: Ints, spec: dict[str, Any], arrays: dict[str, Ints]) -> Ints:
    """Step 6: a network in integers, (C, h, w) to (C', h', w')."""
    number, shift = 0, spec["weight_bits"]
    clamp = int(spec["activation_limit"] * 2 ** spec["activation_bits"])
    for layer in spec["networks"][name]:
        if layer["kind"] == "conv":
            weight, bias = (arrays[f"{name}.conv{number}.{part}"] for part in ("weight", "bias"))
            x = np.clip(convolution(x, weight, layer["pad"], layer["stride"]) + bias[:, None, None] + 2 ** (shift - 1)
                        >> shift, -clamp, clamp)  # fmt: skip
            number += 1
        elif layer["kind"] == "leaky":
            x = np.where(x >= 0, x, x >> layer["shift"])
        elif layer["kind"] == "upsample":
            x = x.repeat(2, 1).repeat(2, 2)
        else:
            c, h, w = x.shape
            x = x.reshape(c // 4, 2, 2, h, w).transpose(0, 3, 1, 4, 2).reshape(c // 4, 2 * h, 2 * w)
    return x


def convolution(x: Ints, weight: Ints, pad: list[int], stride: int) -> Ints:
    left, right, top, bottom = pad
    padded, (rows, columns) = np.pad(x, ((0, 0), (top, bottom), (left, right))), weight.shape[2:]
    h, w = padded.shape[1] - rows + 1, padded.shape[2] - columns + 1
    found = np.zeros((len(weight), -(-h // stride), -(-w // stride)), np.int64)
    for i in range(rows):
        for j in range(columns):
            found += np.tensordot(weight[:, :, i, j], padded[:, i : i + h : stride, j : j + w : stride], 1)
    return found


def costs(parameters: Ints, granularity: str, spec: dict[str, Any], arrays: dict[str, Ints]) -> Ints:
    """Step 7: costs of all codes for one cell, in steps of 1/64 bit."""
    codes, a_bits, c_bits = arrays["prior.codes"], spec["activation_bits"], spec["prior"]["code_bits"]
    bias = arrays["prior.bias"][GRANULARITIES.index(granularity)]
    if spec["prior"]["form"] == "learned":
        bits, cost = a_bits + c_bits, -(codes @ parameters)
    elif spec["prior"]["form"] == "quadratic":
        bits, cost = 14 + 2 * c_bits, quadratic(parameters, codes, a_bits, c_bits, arrays["prior.scale"])
    else:
        width = codes.shape[1]
        mean, level = rounded(parameters[:width], a_bits, c_bits), sigma_level(parameters[width:], a_bits)
        scale = arrays["prior.scale"][level]
        bits, cost = 14 + 2 * c_bits, codes**2 @ scale - codes @ (2 * scale * mean)
    cost = cost - (bias << bits - 16)
    return (cost - cost.min()) * 64 >> bits


def rounded(values: Ints, a_bits: int, bits: int) -> Ints:
    return np.clip(values, -8 << a_bits, 8 << a_bits) + (1 << a_bits - bits >> 1) >> a_bits - bits


def sigma_level(values: Ints, a_bits: int) -> Ints:
    return np.clip((values + (5 << a_bits)) * 32 + (1 << a_bits - 1) >> a_bits, 0, 255)


def quadratic(parameters: Ints, codes: Ints, a_bits: int, c_bits: int, scale: Ints) -> Ints:
    d = codes.shape[1]
    mean, factor = rounded(parameters[:d], a_bits, c_bits), np.diag(scale[sigma_level(parameters[d : 2 * d], a_bits)])
    factor[np.tril_indices(d, -1)] = rounded(parameters[2 * d :], a_bits, 10)
    precision = factor @ factor.T * 47274 + 2**21 >> 22
    return np.einsum("ki,ij,kj->k", codes, precision, codes) - 2 * codes @ (precision @ mean)


def read_indices(
    decoder: RangeDecoder, masks: dict[str, Ints], z: dict[str, Ints], spec: dict[str, Any], arrays: dict[str, Ints]
) -> dict[str, Ints]:
    """Step 8: the passes of the adaptive mode."""
    one, curve, codes = 1 << spec["activation_bits"], arrays["prior.frequencies"], arrays["embeddings"]
    known, indices = np.full(masks["coarse"].shape, -1), {}
    for level, g in enumerate(GRANULARITIES):
        mask, (h, w) = masks[g], masks[g].shape
        known = repeat(known, 2) if level else known
        if not mask.any():
            indices[g] = np.zeros(0, np.int64)
            continue
        told = [(f"synthesis.{g}", g), (f"means.{g}", "means")]
        hints = [network(name, z[of] * one, spec, arrays)[:, :h, :w] for name, of in told if of in z]
        on_grid = [repeat(masks[o], 2 ** (level - n)) if n <= level else any_in_blocks(masks[o], 2 ** (n - level))
                   for n, o in enumerate(GRANULARITIES)]  # fmt: skip
        for name in (name for name in spec["schedule"] if name.split("/")[0] == g):
            flag = (known >= 0).astype(np.int64)
            inputs = [*hints, codes[known].transpose(2, 0, 1) * flag, flag[None] * one, np.stack(on_grid) * one]
            numbers = network(f"context.{name}", np.concatenate(inputs), spec, arrays)
            read: list[tuple[int, int, int]] = []
            for r, c in positions(name, spec["schedule"], mask):
                at = (r, c) if numbers.shape[1:] == (h, w) else (r // 2, c // 2)
                steps = np.minimum(costs(numbers[:, at[0], at[1]], g, spec, arrays), len(curve) - 1)
                read.append((r, c, decoder.symbol(curve[steps].tolist())))
            for r, c, index in read:
                known[r, c] = index
        indices[g] = known[mask == 1]
    return indices


def positions(name: str, schedule: list[str], mask: Ints) -> Iterator[tuple[int, int]]:
    g, _, phase = name.partition("/")
    phases = sum(other.split("/")[0] == g for other in schedule)
    for r, c in np.argwhere(mask).tolist():
        place = {1: 0, 2: (r + c) % 2, 4: [[0, 2], [3, 1]][r % 2][c % 2]}[phases]
        if place == int(phase or 0):
            yield r, c


def huffman_lengths(counts: list[int]) -> list[int]:
    """Step 9: lengths of the words of a Huffman code."""
    heap, parent = [(count, n) for n, count in enumerate(counts)], {}
    heapq.heapify(heap)
    for node in range(len(counts), 2 * len(counts) - 1):
        (a, m), (b, n) = heapq.heappop(heap), heapq.heappop(heap)
        parent[m] = parent[n] = node
        heapq.heappush(heap, (a + b, node))
    depth = {2 * len(counts) - 2: 0}
    for node in range(2 * len(counts) - 3, -1, -1):
        depth[node] = depth[parent[node]] + 1
    return [depth[n] for n in range(len(counts))]


def read_plain(data: bytes, sizes: dict[str, int], mode: str, usage: Ints) -> dict[str, Ints]:
    """Step 9: the indices of the modes with a raw map."""
    total, codes = sum(sizes.values()), usage.shape[1]
    if mode == "zip":
        values = np.frombuffer(zlib.decompress(data), "<u2" if codes <= 2**16 else "<u4").astype(np.int64)
        return split(values, sizes)
    bits = "".join(f"{byte:08b}" for byte in data)
    if mode == "fixed-length":
        width = (codes - 1).bit_length()
        return split(np.array([int(bits[n * width : (n + 1) * width], 2) for n in range(total)]), sizes)
    found: list[int] = []
    for g, row in zip(GRANULARITIES, usage, strict=True):
        lengths, words, word, last = huffman_lengths([max(int(n), 1) for n in row]), {}, -1, 0
        for length, code in sorted((length, code) for code, length in enumerate(lengths)):
            word, last = (word + 1) << (length - last), length
            words[f"{word:0{length}b}"] = code
        for _ in range(sizes[g]):
            size = next(size for size in range(1, 33) if bits[:size] in words)
            found.append(words[bits[:size]])
            bits = bits[size:]
    return split(np.array(found, np.int64), sizes)


def split(values: Ints, sizes: dict[str, int]) -> dict[str, Ints]:
    ends = np.cumsum([sizes[g] for g in GRANULARITIES])
    return dict(zip(GRANULARITIES, np.split(values, ends[:-1]), strict=True))


def decode(data: bytes, model: Path) -> tuple[dict[str, Any], dict[str, Ints], dict[str, Ints], dict[str, Ints]]:
    """Header, masks, hyper-latents and indices of a file."""
    spec, arrays, fingerprint = read_model(model)
    head = read_container(data)
    assert head["fingerprint"] == fingerprint
    mode, sections = head["mode"], head["sections"]
    decoder, footprint = RangeDecoder(sections[0]), spec.get("z_footprint", 4)
    masks = read_map(head, decoder, arrays) if mode in MODES[:2] else read_raw_map(sections[0], head)
    sizes = {g: int(masks[g].sum()) for g in GRANULARITIES}
    if mode not in MODES[:2]:
        decoder = RangeDecoder(sections[2]) if len(sections) == 3 else decoder
    has_latents = mode == "adaptive" or spec["decoder_prior"]
    z: dict[str, Ints] = {}
    if block := spec.get("means_block_px"):
        rows, columns = (-(-16 * side // block) for side in masks["coarse"].shape)
        z["means"] = read_means(decoder, arrays["means.table"], rows, columns)
    z |= read_latents(decoder, masks, arrays, footprint) if has_latents else {}
    if mode == "adaptive":
        return head, masks, z, read_indices(decoder, masks, z, spec, arrays)
    if mode == "static-arithmetic":
        rows = np.maximum(arrays["usage"], 1).tolist()
        one_by_one = {
            g: [decoder.symbol(row) for _ in range(sizes[g])] for g, row in zip(GRANULARITIES, rows, strict=True)
        }
        return head, masks, z, {g: np.array(values, np.int64) for g, values in one_by_one.items()}
    return head, masks, z, read_plain(sections[1], sizes, mode, arrays["usage"])
