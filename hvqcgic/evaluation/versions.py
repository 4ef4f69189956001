"""Versions of the software that results depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from PIL import features

from hvqcgic import __version__

_PACKAGES = (
    *("torch", "torchvision", "numpy", "scipy", "pillow", "torchmetrics", "lpips", "DISTS-pytorch", "pytorch-msssim"),
    *("torch-fidelity", "bjontegaard", "compressai", "constriction", "pyiqa", "pillow-jxl-plugin"),
)
_PILLOW_FEATURES = ("libjpeg_turbo", "jpg", "jpg_2000", "webp", "avif")


def versions() -> dict[str, str]:
    """Versions of hvqcgic, Python, the machine, installed packages, and the coders in Pillow."""
    found = {"hvqcgic": __version__, "python": platform.python_version(), "machine": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    coders = {f"pillow {name}": features.version(name) for name in _PILLOW_FEATURES}
    return found | {name: text for name, text in coders.items() if text}
