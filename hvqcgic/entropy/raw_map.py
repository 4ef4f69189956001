"""The granularity map as plain bits, as in Control-GIC, for the coding modes that represent it."""

from __future__ import annotations

import numpy as np

from hvqcgic.entropy.masks import Masks, regrid
from hvqcgic.errors import BitstreamError

BITS_PER_COARSE_CELL = 5


def encode_raw_map(masks: Masks) -> bytes:
    """One bit for every 16-pixel cell (coarse or not), then one for every 8-pixel cell (medium or not)."""
    return np.packbits(np.concatenate([masks.coarse.ravel(), masks.medium.ravel()])).tobytes()


def decode_raw_map(data: bytes, h16: int, w16: int, n_coarse: int, n_medium: int) -> Masks:
    """Decode the output of `encode_raw_map` for h16 × w16 coarse cells.

    Raises:
        BitstreamError: another size, medium cells inside coarse cells, or other counts than the header's.
    """
    cells = h16 * w16
    total = BITS_PER_COARSE_CELL * cells
    if len(data) != -(-total // 8):
        raise BitstreamError(f"raw map of {len(data)} bytes, a grid of {h16} x {w16} takes {-(-total // 8)}")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=total).astype(np.bool_)
    coarse, medium = bits[:cells].reshape(h16, w16), bits[cells:].reshape(2 * h16, 2 * w16)
    if np.any(medium & regrid(coarse, "coarse", "medium")):
        raise BitstreamError("raw map has medium cells inside coarse ones; the stream is damaged")
    if np.count_nonzero(coarse) != n_coarse or np.count_nonzero(medium) != n_medium:
        raise BitstreamError("raw map holds other counts than the header; the stream is damaged")
    return Masks.from_coarser(coarse, medium)
