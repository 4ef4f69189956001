"""Procedural pictures with the edges and the scale invariance of photographs."""

from __future__ import annotations

import numpy as np

_SMALLEST_RADIUS_PX, _LARGEST_RADIUS = 2.0, 0.35
_LEAVES_A_PICTURE = 600
_SUPERSAMPLING = 2


def dead_leaves(side_px: int, generator: np.random.Generator) -> np.ndarray:
    """Paint discs of random size, colour, shading and grain over one another.

    Args:
        side_px: side of the square picture in pixels.
        generator: source of all randomness.
    Returns:
        picture, (side_px, side_px, 3), uint8.
    Determinism: random(generator).
    Source: Lee, Mumford and Huang 2001, "Occlusion models for natural images", disc model with density r^-3; shading
    and grain of each leaf are our addition, so that surfaces are not flat.
    """
    side = side_px * _SUPERSAMPLING
    canvas = np.empty((side, side, 3), np.float32)
    canvas[:] = _colour(generator)
    for radius in generator.permutation(_radii(side, generator)):
        _paint_leaf(canvas, float(radius), generator)
    small = canvas.reshape(side_px, _SUPERSAMPLING, side_px, _SUPERSAMPLING, 3).mean((1, 3))
    return np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)


def _radii(side: int, generator: np.random.Generator) -> np.ndarray:
    """Radii in canvas pixels with density r^-3 between the bounds, by inversion of the distribution."""
    low = (_SMALLEST_RADIUS_PX * _SUPERSAMPLING) ** -2.0
    high = (_LARGEST_RADIUS * side) ** -2.0
    radii = (low + (high - low) * generator.random(_LEAVES_A_PICTURE)) ** -0.5
    # With this density few leaves are large, but photographs have some large surfaces.
    radii[:40] = side * generator.uniform(0.05, _LARGEST_RADIUS, 40)
    return radii


def _paint_leaf(canvas: np.ndarray, radius: float, generator: np.random.Generator) -> None:
    """Paint one disc with a linear shade and grain onto the canvas (S, S, 3), in place."""
    side = canvas.shape[0]
    row, column = generator.uniform(0, side, 2)
    top, left = max(0, int(row - radius)), max(0, int(column - radius))
    patch = canvas[top : int(row + radius) + 2, left : int(column + radius) + 2]
    y = (np.arange(top, top + patch.shape[0], dtype=np.float32)[:, None] - row) / radius
    x = (np.arange(left, left + patch.shape[1], dtype=np.float32)[None, :] - column) / radius
    shade_y, shade_x = generator.normal(0, 0.12, 2).astype(np.float32)
    grain = generator.standard_normal(patch.shape[:2], dtype=np.float32) * (0.2 * generator.random() ** 4)
    light = 1 + shade_y * y + shade_x * x + grain
    inside = x * x + y * y <= 1
    patch[inside] = (light[..., None] * _colour(generator))[inside]


def _colour(generator: np.random.Generator) -> np.ndarray:
    """Draw a colour as in photographs, (3,) in [0, 1]: brightness widely spread, saturation mostly low."""
    grey = generator.beta(1.2, 1.4)
    tint = generator.normal(0, 1, 3)
    return np.clip(grey + (tint - tint.mean()) * 0.25 * generator.random() ** 2, 0, 1).astype(np.float32)
