"""The values that a budget for many pictures may have; checked without NumPy and torch."""

from __future__ import annotations

from hvqcgic.errors import ConfigError
from hvqcgic.extras import check_installed
from hvqcgic.perceptual import LPIPS_PACKAGES

DISTORTIONS = ("mse", "lpips")


def check_budget(total_bytes: int, per_image_max: int | None, by: str) -> None:
    """Raise `ConfigError` for numbers and names that are not allowed, `MissingPackage` if LPIPS is not installed."""
    if by not in DISTORTIONS:
        raise ConfigError(f"distortion {by!r} is unknown; use {' or '.join(DISTORTIONS)}")
    for what, size in (("budget", total_bytes), ("per-image maximum", per_image_max)):
        if size is not None and size < 1:
            raise ConfigError(f"{what} of {size} bytes is no size; give at least 1")
    if by == "lpips":
        check_installed("a budget by lpips", *LPIPS_PACKAGES)
