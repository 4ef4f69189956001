"""Distortion of every cell at every granularity: squared error, and the change of contrast within squares of 8 px.

Squared error alone prefers a smoothed texture to a replaced one.

One decoding tells most of it. A third of all squares of 16 px is coded coarse, a third medium and a third fine, along
diagonals. For each granularity the logarithm of the distortion is regressed on contrasts of the original, over the
squares that were decoded so. A square that is harder to code than the regression says is taken to be harder at the two
other granularities, too, by half as much. Small pictures, which have too few squares for that, are decoded three times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.coder import Analysed, PictureCoder
from hvqcgic.entropy import Masks
from hvqcgic.models import Ratios

Plane = NDArray[np.float64]
Pixels = NDArray[np.uint8]

CONTRAST_WEIGHT = 3.0
"""Weight of the squared difference in standard deviation of luma, against the mean squared error of a channel."""
FEWEST_SQUARES = 500
"""Squares of 16 px from which one decoding tells enough."""
_UNIFORM: Mapping[str, Ratios] = {"coarse": (0.0, 0.0, 1.0), "medium": (0.0, 1.0, 0.0), "fine": (1.0, 0.0, 0.0)}
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_SQUARE, _CELL = 8, 16
_ROWS_AT_A_TIME = 32
"""Rows of 16 px squares in memory at a time."""
_SHARE = 0.5
"""Part of a square's difference from the regression that is expected at the other granularities."""
_STEADY, _RIDGE = 300.0, 1.0
"""Added to distortions before logarithms, so that squares without errors count little; penalty of the regression."""


def cell_distortions(
    coder: PictureCoder, picture: Analysed, weights: NDArray[np.float32] | None = None
) -> dict[str, Plane]:
    """Distortions by granularity, (2 rows, 2 columns) each: sums over the pixels and channels of squares of 8 px.

    Args:
        coder: of the model.
        picture: analysed by the coder.
        weights: (H, W), weights of the distortions; None for 1 everywhere.
    """
    rows, columns = picture.grid
    if rows * columns < FEWEST_SQUARES:
        maps = {g: coder.order_cells(picture, _UNIFORM[g]) for g in GRANULARITIES}
        found = {g: distortions(picture, _decoded(coder, picture, masks)) for g, masks in maps.items()}
    else:
        found = _estimated(coder, picture)
    if weights is None:
        return found
    factors = _mean_weights(picture, weights)
    return {g: plane * factors for g, plane in found.items()}


def distortions(picture: Analysed, decoded: Pixels) -> Plane:
    """Squared error and change of contrast of 8 px squares, (2 rows, 2 columns); padding counts as zero.

    Args:
        picture: the original.
        decoded: (H, W, 3).
    """
    found = []
    for rows in _bands(picture):
        original, own = (_padded(picture, pixels[rows].astype(np.float32)) for pixels in (picture.pixels, decoded))
        error = _squares(np.square(original - own).sum(2)).sum((2, 3))
        contrast = [_squares(pixels @ _LUMA).std((2, 3)) for pixels in (original, own)]
        found.append(error + 3 * _SQUARE**2 * CONTRAST_WEIGHT * np.square(contrast[0] - contrast[1]))
    return np.concatenate(found)


def _decoded(coder: PictureCoder, picture: Analysed, masks: Masks) -> Pixels:
    return np.asarray(coder.reconstruct(coder.quantise(picture, masks)))


def _estimated(coder: PictureCoder, picture: Analysed) -> dict[str, Plane]:
    """Distortions from one decoding of three granularities side by side."""
    rows, columns = picture.grid
    kinds = np.add.outer(np.arange(rows), np.arange(columns)) % len(GRANULARITIES)
    of_square = {g: kinds == k for k, g in enumerate(GRANULARITIES)}
    decoded = _decoded(coder, picture, Masks.from_coarser(of_square["coarse"], _finer(of_square["medium"])))
    known = np.log(distortions(picture, decoded) + _STEADY)
    predictors = _predictors(picture)
    expected = {g: _regressed(predictors, known, _finer(own)) for g, own in of_square.items()}
    own = np.choose(_finer(kinds), list(expected.values()))
    return {g: np.exp(logs + _SHARE * (known - own)) - _STEADY for g, logs in expected.items()}


def _regressed(predictors: Plane, known: Plane, seen: NDArray[np.bool_]) -> Plane:
    """Ridge regression of a plane (h, w) on predictors (h, w, P), the first of them 1, over the seen positions."""
    x, y = predictors[seen], known[seen]
    penalties = np.full(x.shape[1], _RIDGE)
    penalties[0] = 0
    return predictors @ np.linalg.solve(x.T @ x + np.diag(penalties), x.T @ y)


def _predictors(picture: Analysed) -> Plane:
    """Contrasts of luma and chroma, contrast around, and brightness: (2 rows, 2 columns, P), the first of them 1."""
    planes = torch.cat([_contrasts(picture, rows) for rows in _bands(picture)], 1)
    around = F.avg_pool2d(planes[None, 1:2], 3, 1, 1, count_include_pad=False)[0]
    brightness = planes[-1:]
    found = torch.cat([torch.ones_like(around), planes, around, brightness.square()])
    return found.permute(1, 2, 0).numpy().astype(np.float64)


def _contrasts(picture: Analysed, rows: slice) -> Tensor:
    """Logarithms of variances within 2, 4, 8 and 16 px, of chroma within 4 and 16 px, and mean luma in [0, 1].

    Returns:
        (7, 2 rows, 2 columns), the second of them of luma within 4 px.
    """
    pixels = torch.from_numpy(_padded(picture, picture.pixels[rows].astype(np.float32), mode="edge")).permute(2, 0, 1)
    luma = (pixels * torch.from_numpy(_LUMA)[:, None, None]).sum(0)
    plane = torch.stack([luma, pixels[0] - pixels[1], pixels[2] - pixels[1]])[None]
    found, brightness = [], F.avg_pool2d(plane[:, 0], _SQUARE) / 255
    for side in (2, 4, 8, 16):
        means = F.avg_pool2d(plane, 2)
        variance = F.avg_pool2d(plane.square(), 2) - means.square()
        fitted = F.avg_pool2d(variance, _SQUARE // side) if side <= _SQUARE else F.interpolate(variance, scale_factor=2)
        found.append(fitted[0, :1])
        if side in (4, 16):
            found.append(fitted[0, 1:].sum(0, keepdim=True))
        plane = means
    return torch.cat([(torch.cat(found).clamp(min=0) + 0.5).log(), brightness])


def _mean_weights(picture: Analysed, weights: NDArray[np.float32]) -> Plane:
    """Mean weight of the picture's pixels in each square of 8 px, (2 rows, 2 columns)."""
    inside, total = (_squares(_padded(picture, plane)).sum((2, 3)) for plane in (np.ones_like(weights), weights))
    return total / np.maximum(inside, 1)


def _bands(picture: Analysed) -> Iterator[slice]:
    """Rows of pixels of bands of whole squares of 16 px."""
    step = _ROWS_AT_A_TIME * _CELL
    for first, last in pairwise([*range(0, picture.height, step), picture.height]):
        yield slice(first, last)


def _padded(picture: Analysed, band: NDArray[np.float32], *, mode: str = "constant") -> NDArray[np.float32]:
    """A band of a picture, (h, W, ...), with rows and columns up to whole squares of 16 px."""
    below, right = -len(band) % _CELL, _CELL * picture.grid[1] - picture.width
    padding = [(0, below), (0, right), *[(0, 0)] * (band.ndim - 2)]
    return np.pad(band, padding, mode=mode)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _squares(plane: NDArray[np.float32]) -> Plane:
    """Cut a plane (16 h, 16 w) into squares (2 h, 2 w, 8, 8)."""
    height, width = plane.shape
    cut = plane.astype(np.float64).reshape(height // _SQUARE, _SQUARE, width // _SQUARE, _SQUARE)
    return cut.transpose(0, 2, 1, 3)


def _finer(plane: NDArray[Any]) -> NDArray[Any]:
    """Repeat squares of 16 px, (h, w), for their squares of 8 px, (2h, 2w)."""
    return plane.repeat(2, 0).repeat(2, 1)
