"""Validation pictures coded to real files, and the float model's estimates for them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from rich.console import Console

from hvqcgic.codec import Codec
from hvqcgic.errors import ModelError
from hvqcgic.training.export import freeze_model
from hvqcgic.training.module import HvqModule
from hvqcgic.training.processes import first_console
from hvqcgic.training.validation import Measured

MODES = {"adaptive": "adaptive", "static_arithmetic": "static-arithmetic", "static_huffman": "static-huffman"}
"""Coding modes by their names in the charts."""


@dataclass(frozen=True)
class FileSizes:
    """Sizes of one picture's files.

    Attributes:
        pixels: number of pixels of the picture.
        bits: of whole files, by name of MODES.
        z_bits: of the hyper-latents in the adaptive file.
        estimate_bits: cross-entropy of indices and hyper-latents under the float model, plus the map's bits in the
            file, which the float model does not predict; without the container.
    """

    pixels: int
    bits: dict[str, int]
    z_bits: float
    estimate_bits: float


def file_sizes(codec: Codec, picture: torch.Tensor, found: Measured) -> FileSizes:
    """Code a validation picture in every mode of MODES.

    Args:
        codec: of the model in its present state.
        picture: (3, H, W), in [0, 1], of 8 bits a sample.
        found: the float model's result for the picture, including `rate`.
    """
    assert found.rate is not None
    pixels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    encoded = codec.encode(pixels)
    written = {name: codec.write(encoded, coding=mode) for name, mode in MODES.items()}
    estimate = float(found.rate.index_bits + found.rate.z_bits) + written["adaptive"].parts["map"]
    sizes = {name: 8 * len(file.data) for name, file in written.items()}
    return FileSizes(picture[0].numel(), sizes, written["adaptive"].parts["z"], estimate)


class RealFiles(lightning.Callback):
    """Freezes the model in memory at every validation and logs the bits per pixel of real files.

    Logs `file/adaptive_bpp`, `file/static_arithmetic_bpp`, `file/static_huffman_bpp`, `file/estimate_bpp` (means over
    pictures), `file/saving_percent` (adaptive against static arithmetic) and `file/z_percent` (share of hyper-latents).
    """

    def __init__(self, pictures: int, *, console: Console | None = None) -> None:
        """Args: pictures: number of pictures, from the first; console: for warnings, by default standard error."""
        self.pictures = pictures
        self._console = console or first_console()
        self._codec: Codec | None = None
        self._sizes: list[FileSizes] = []

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: HvqModule) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Freeze the model; a failure is reported and the training continues."""
        self._codec, self._sizes = None, []
        if pl_module.stage not in ("hyperprior", "joint") or not self.pictures or not trainer.is_global_zero:
            return
        try:
            with pl_module.averaged():
                model, priors = copy.deepcopy((pl_module.model, pl_module.priors))
            self._codec = Codec(freeze_model(model.cpu(), priors.cpu()), pl_module.device)
        except ModelError as error:
            self._console.print(f"no real files at step {pl_module.step_index}: {error}", soft_wrap=True, markup=False)

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Code the picture if it is one of the first."""
        if self._codec is not None and batch_idx < self.pictures:
            self._sizes.append(file_sizes(self._codec, batch, outputs["found"]))

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Log the means."""
        if not self._sizes:
            return
        count = len(self._sizes)
        bpp = {name: sum(s.bits[name] / s.pixels for s in self._sizes) / count for name in MODES}
        values = {f"file/{name}_bpp": value for name, value in bpp.items()}
        values["file/estimate_bpp"] = sum(s.estimate_bits / s.pixels for s in self._sizes) / count
        values["file/saving_percent"] = 100 * (1 - bpp["adaptive"] / bpp["static_arithmetic"])
        values["file/z_percent"] = sum(100 * s.z_bits / s.bits["adaptive"] for s in self._sizes) / count
        pl_module.log_dict(values)
        self._codec, self._sizes = None, []
