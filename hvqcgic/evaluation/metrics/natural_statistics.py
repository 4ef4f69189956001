"""The 36 natural scene statistics of NIQE, and the model of pristine pictures that they are compared with.

Source: Mittal, Soundararajan, Bovik 2013, "Making a completely blind image quality analyzer". Window, borders and half
size follow the authors' release, so that values agree with the usual implementations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.special import gamma

Array = NDArray[np.float64]

BLOCK_PX = 96
FEATURES = 36
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
_SHAPES = np.arange(0.2, 10.001, 0.001)
_SHAPE_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
_WINDOW_SIDE, _WINDOW_SIGMA = 7, 7 / 6


@dataclass(frozen=True)
class Model:
    """A multivariate Gaussian of features: mean (36,) and covariance (36, 36)."""

    mean: Array
    covariance: Array


@dataclass(frozen=True)
class Blocks:
    """Features of a picture's blocks of 96 px: values (N, 36), and the sharpness of each block (N,)."""

    values: Array
    sharpness: Array


def luma(pixels: NDArray[np.uint8]) -> Array:
    """Luma of ITU-R BT.601 in its video range, rounded as the released code does: (H, W, 3) to (H, W), 16 to 235."""
    weights = np.array([65.481, 128.553, 24.966])
    return (pixels.astype(np.float64) / 255 @ weights + 16).round()


def block_features(grey: Array) -> Blocks:
    """Features of all whole blocks, at full and at half size.

    Args:
        grey: (H, W), H and W at least 96; the incomplete blocks at the right and bottom are ignored.
    """
    rows, columns = (side // BLOCK_PX for side in grey.shape)
    grey = grey[: rows * BLOCK_PX, : columns * BLOCK_PX]
    full, sharpness = normalised(grey)
    half, _ = normalised(halved(grey))
    scales = [_blocks(full, BLOCK_PX), _blocks(half, BLOCK_PX // 2)]
    values = [np.stack([_features(block) for block in blocks]) for blocks in scales]
    return Blocks(np.concatenate(values, 1), _blocks(sharpness, BLOCK_PX).mean((1, 2)))


def normalised(grey: Array) -> tuple[Array, Array]:
    """Values less their local mean over (local deviation + 1), and the local deviation; both (H, W)."""
    offsets = np.arange(_WINDOW_SIDE) - _WINDOW_SIDE // 2
    window = np.exp(-(offsets**2) / (2 * _WINDOW_SIGMA**2))
    window /= window.sum()

    def blurred(values: Array) -> Array:
        return correlate1d(correlate1d(values, window, 0, mode="nearest"), window, 1, mode="nearest")

    mean = blurred(grey)
    deviation = np.sqrt(np.abs(blurred(grey**2) - mean**2))
    return (grey - mean) / (deviation + 1), deviation


def halved(grey: Array) -> Array:
    """Reduce to half size by an antialiased bicubic kernel (a = -0.5), mirrored at the borders; sides must be even."""
    distance = np.abs(np.arange(8) - 3.5) / 2
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    kernel = np.where(distance <= 1, near, far)
    kernel /= kernel.sum()
    for axis in (0, 1):
        # Output i lies between inputs 2 i and 2 i + 1, so its eight taps start at 2 i - 3.
        filtered = correlate1d(grey, kernel, axis, mode="reflect", origin=-1)
        grey = filtered.take(np.arange(0, grey.shape[axis], 2), axis)
    return grey


def distance(features: Array, pristine: Model) -> float:
    """Distance between the features of a picture's blocks, (N, 36), N at least 2, and those of pristine pictures."""
    mean = np.nanmean(features, 0)
    whole = features[~np.isnan(features).any(1)]
    pooled = (np.cov(whole, rowvar=False) + pristine.covariance) / 2
    difference = pristine.mean - mean
    return float(np.sqrt(difference @ np.linalg.pinv(pooled) @ difference))


def fit(features: Array) -> Model:
    """Fit the model of pristine blocks, (N, 36)."""
    whole = features[~np.isnan(features).any(1)]
    return Model(whole.mean(0), np.cov(whole, rowvar=False))


def _blocks(values: Array, side: int) -> Array:
    """Split (H, W) into blocks (N, side, side), in raster order."""
    rows, columns = (length // side for length in values.shape)
    return values.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)


def _features(block: Array) -> Array:
    """Shape parameters of the values and of the products of neighbours in four directions, (18,)."""
    shape, left, right = _asymmetric_gaussian(block)
    found = [shape, (left + right) / 2]
    for shift in _SHIFTS:
        shape, left, right = _asymmetric_gaussian(block * np.roll(block, shift, axis=(0, 1)))
        mean = (right - left) * gamma(2 / shape) / gamma(1 / shape)
        found += [shape, mean, left, right]
    return np.array(found)


def _asymmetric_gaussian(values: Array) -> tuple[float, float, float]:
    """Shape, left and right scale of an asymmetric generalised Gaussian, by moments; NaN for flat blocks."""
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt(_mean_square(values[values < 0]))
        right = np.sqrt(_mean_square(values[values > 0]))
        skew = left / right
        ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
        ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
        shape = _SHAPES[np.argmin((_SHAPE_RATIOS - ratio) ** 2)]
        scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return float(shape), float(left * scale), float(right * scale)


def _mean_square(values: Array) -> float:
    return float(np.mean(values**2)) if len(values) else float("nan")
