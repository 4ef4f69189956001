"""The logged values of a training by their names; `charts.py` says which charts of TensorBoard show them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hvqcgic.models import Codes
from hvqcgic.perceptual import Distortion
from hvqcgic.training.rate import Rate, arithmetic_lengths, huffman_lengths, static_bits
from hvqcgic.training.validation import Measured

TABLES_EVERY = 100
"""Steps between two updates of the static tables that training compares itself with."""


class StaticLengths:
    """Code lengths of static coding, updated every TABLES_EVERY steps."""

    def __init__(self) -> None:
        """Create the tables without lengths; the first call of `at` computes them."""
        self._lengths: dict[str, Tensor] = {}

    def at(self, step: int, usage: Tensor) -> dict[str, Tensor]:
        """Bits of each code, (3, K), by the name of the coding, for usage counts (3, K) at a step."""
        if not self._lengths or step % TABLES_EVERY == 0:
            self._lengths = {"arithmetic": arithmetic_lengths(usage), "huffman": huffman_lengths(usage)}
        self._lengths = {name: lengths.to(usage.device) for name, lengths in self._lengths.items()}
        return self._lengths

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint, so that a resumed training has the charts of an uninterrupted one."""
        return dict(self._lengths)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Load the state of a checkpoint."""
        self._lengths = dict(state)


def distortion_scalars(parts: Distortion, commitment: Tensor, *, with_lpips: bool) -> dict[str, Any]:
    """Parts of D, and PSNR in decibels."""
    found = {f"loss/{name}": value for name, value in parts.terms.items() if name != "lpips"}
    found |= {"loss/distortion": parts.total, "loss/commitment": commitment}
    found["quality/psnr_db"] = -10 * torch.log10(parts.terms["mse"].detach().clamp(min=1e-10))
    if with_lpips:
        found["quality/lpips"] = parts.terms["lpips"]
    return found


def rate_scalars(rate: Rate, codes: Codes, lengths: dict[str, Tensor], pixels: int) -> dict[str, Any]:
    """Bits per pixel of adaptive and static coding of the same indices, the saving, and z's share, in per cent.

    Args:
        rate: estimated, of a batch.
        codes: of the batch.
        lengths: of `StaticLengths.at`.
        pixels: of the batch.
    """
    static = {name: static_bits(table, codes) for name, table in lengths.items()}
    adaptive = (rate.index_bits + rate.z_bits).detach()
    found = {f"rate/static_{name}_bpp": bits / pixels for name, bits in static.items()}
    found |= {"rate/adaptive_bpp": adaptive / pixels, "rate/z_percent": 100 * rate.z_bits.detach() / adaptive}
    return found | {"rate/saving_percent": 100 * (1 - adaptive / static["arithmetic"])}


def validation_scalars(group: str, found: Measured, pixels: int, *, with_lpips: bool) -> dict[str, Any]:
    """Quality and estimated rate of a validation picture.

    Args:
        group: of the charts: `val`, or `val_raw` for the weights without averaging.
        found: the measured values.
        pixels: of the picture.
        with_lpips: whether LPIPS was measured.
    """
    values = {"psnr_db": found.psnr_db}
    if with_lpips:
        values["lpips"] = found.lpips
    if found.rate is not None:
        adaptive = float(found.rate.index_bits + found.rate.z_bits)
        values["adaptive_bpp"] = adaptive / pixels
        values["saving_percent"] = 100 * (1 - adaptive / found.static_bits)
    return {f"{group}/{name}": value for name, value in values.items()}
