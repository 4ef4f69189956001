"""Validation pictures coded to real files, and the float model's estimates for them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from hvqcgic.codec import Codec
from hvqcgic.errors import ModelError
from hvqcgic.model_files import read_model
from hvqcgic.models import REPORTED_RATIOS, Ratios
from hvqcgic.perceptual import Perceptual, distortion
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.export import freeze_model, load_module
from hvqcgic.training.module import HvqModule
from hvqcgic.training.processes import first_console
from hvqcgic.training.starts import is_model
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


@dataclass(frozen=True)
class FileFigures:
    """Means over pictures that were coded to real files at one triple of ratios, and decoded again.

    Attributes:
        ratios: (fine, medium, coarse).
        bpp: bits per pixel of whole files, by name of MODES.
        psnr_db: of the decoded pictures.
        lpips: NaN without a perceptual network.
        distortion: D of the loss, see `TrainingConfig`; without LPIPS where there is no network.
    """

    ratios: Ratios
    bpp: dict[str, float]
    psnr_db: float
    lpips: float
    distortion: float

    @property
    def saving_percent(self) -> float:
        """Saving of adaptive against static arithmetic coding of the same indices."""
        return saving_percent(self.bpp)


def saving_percent(bpp: dict[str, float]) -> float:
    """Saving of adaptive against static arithmetic coding, by bits per pixel in every mode of MODES."""
    return 100 * (1 - bpp["adaptive"] / bpp["static_arithmetic"])


def starting_codec(start: Path, device: torch.device) -> Codec:
    """Codec of starting weights: of a model, or of a checkpoint with a trained entropy model, which is frozen.

    Raises:
        ConfigError: it is no checkpoint.
        ModelError: the model is damaged, or the checkpoint cannot be frozen.
    """
    if is_model(start):
        return Codec(read_model(str(start)), device)
    module = load_module(start)
    return Codec(freeze_model(module.model, module.priors), device)


def reported_ratios(default: Ratios) -> tuple[Ratios, ...]:
    """Ratios of the final table: the model's default, and those reported beside it, three in all."""
    others = [ratios for ratios in REPORTED_RATIOS if ratios != tuple(default)]
    return (default, *others[-2:])


@torch.no_grad()
def code_files(
    codec: Codec, pictures: Sequence[Tensor], ratios: Ratios, options: TrainingConfig, perceptual: Perceptual | None
) -> FileFigures:
    """Code pictures to real files in every mode of MODES, and decode them.

    Args:
        codec: of the model.
        pictures: at least one, (3, H, W) each, in [0, 1], of 8 bits a sample.
        ratios: (fine, medium, coarse).
        options: with the weights of D.
        perceptual: LPIPS or None.
    Raises:
        ConfigError: the ratios are not allowed.
    """
    rows = []
    for picture in pictures:
        encoded = codec.encode(to_pixels(picture), ratios=ratios)
        files = {name: codec.write(encoded, coding=mode).data for name, mode in MODES.items()}
        decoded = torch.from_numpy(np.array(codec.decompress(files["adaptive"]))).to(picture.device)
        parts = distortion(picture[None], decoded.permute(2, 0, 1)[None] / 255, options, perceptual)
        psnr_db = -10 * torch.log10(parts.terms["mse"].clamp(min=1e-10))
        bpp = [8 * len(data) / picture[0].numel() for data in files.values()]
        rows.append([*bpp, float(psnr_db), float(parts.terms["lpips"]), float(parts.total)])
    *bpp, psnr_db, lpips, total = np.mean(rows, 0).tolist()
    lpips = lpips if perceptual is not None else float("nan")
    return FileFigures(ratios, dict(zip(MODES, bpp, strict=True)), psnr_db, lpips, total)


def to_pixels(picture: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) in [0, 1], of 8 bits a sample, to (H, W, 3), uint8."""
    return (picture * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def file_sizes(codec: Codec, picture: torch.Tensor, found: Measured) -> FileSizes:
    """Code a validation picture in every mode of MODES.

    Args:
        codec: of the model in its present state.
        picture: (3, H, W), in [0, 1], of 8 bits a sample.
        found: the float model's result for the picture, including `rate`.
    """
    assert found.rate is not None
    encoded = codec.encode(to_pixels(picture))
    written = {name: codec.write(encoded, coding=mode) for name, mode in MODES.items()}
    estimate = float(found.rate.index_bits + found.rate.z_bits) + written["adaptive"].parts["map"]
    sizes = {name: 8 * len(file.data) for name, file in written.items()}
    return FileSizes(picture[0].numel(), sizes, written["adaptive"].parts["z"], estimate)


def frozen_codec(module: HvqModule) -> Codec:
    """Codec of a module in its present state: of the moving average if there is one.

    Raises:
        ModelError: the model cannot be frozen.
    """
    with module.averaged():
        model, priors = copy.deepcopy((module.model, module.priors))
    return Codec(freeze_model(model.cpu(), priors.cpu()), module.device)


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
            self._codec = frozen_codec(pl_module)
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
        values["file/saving_percent"] = saving_percent(bpp)
        values["file/z_percent"] = sum(100 * s.z_bits / s.bits["adaptive"] for s in self._sizes) / count
        pl_module.log_dict(values)
        self._codec, self._sizes = None, []
