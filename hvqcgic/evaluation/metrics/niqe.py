"""NIQE: distance of a picture's statistics from those of pristine photographs."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from hvqcgic.evaluation.metrics import natural_statistics as statistics
from hvqcgic.evaluation.metrics.base import Metric, MetricOptions, MetricUnavailable, NotMeasurable, Picture

BUNDLED = Path(__file__).parent / "niqe_parameters.npz"
"""Estimated by tools/fit_niqe.py; NIQE values differ from those with the parameters of the authors' release."""


class Niqe(Metric):
    """NIQE of the decoded picture, on its luma; lower is better."""

    name = "niqe"

    def __init__(self, options: MetricOptions) -> None:
        """Read the parameters of pristine pictures."""
        super().__init__(options)
        self._path = options.niqe_parameters or BUNDLED
        self._pristine = read_parameters(self._path)

    @property
    def version(self) -> str:
        """Hash of the parameters."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()[:16]

    def measure(self, original: Picture, decoded: Picture) -> float:
        """Return the distance, about 3 for good photographs."""
        height, width = decoded.pixels.shape[:2]
        if (height // statistics.BLOCK_PX) * (width // statistics.BLOCK_PX) < 2:
            raise NotMeasurable(f"needs at least two blocks of {statistics.BLOCK_PX} x {statistics.BLOCK_PX} px")
        features = statistics.block_features(statistics.luma(decoded.pixels)).values
        if np.count_nonzero(~np.isnan(features).any(1)) < 2:
            raise NotMeasurable("the picture is flat")
        return statistics.distance(features, self._pristine)


def read_parameters(path: Path) -> statistics.Model:
    """Read the model of pristine pictures from an .npz file of `tools/fit_niqe.py` or in the commonly shared form.

    Raises:
        MetricUnavailable: the file is missing or invalid.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            mean, covariance = (np.asarray(arrays[f"{name}_pris_param"], np.float64) for name in ("mu", "cov"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise MetricUnavailable(f"{path}: no NIQE parameters ({error}); run tools/fit_niqe.py") from error
    if mean.size != statistics.FEATURES or covariance.shape != (statistics.FEATURES, statistics.FEATURES):
        raise MetricUnavailable(f"{path}: NIQE parameters of shapes {mean.shape}, {covariance.shape}, not 36, 36 x 36")
    return statistics.Model(mean.reshape(-1), covariance)
