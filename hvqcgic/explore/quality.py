"""Quality figures of decoded pictures; LPIPS where it and its weights are on this machine."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hvqcgic.errors import HvqcgicError
from hvqcgic.extras import check_installed
from hvqcgic.perceptual import LPIPS_PACKAGES
from hvqcgic.rate_control import LpipsAlex, psnr_db

Pixels = NDArray[np.uint8]


class Figures:
    """Measures decoded pictures against one original."""

    def __init__(self, original: Pixels) -> None:
        """Args: original: (H, W, 3)."""
        self.original = original
        self.why_no_lpips = ""
        """Why LPIPS is missing, in one line, once it was asked for; "" if it is there."""

    def psnr_db(self, decoded: Pixels) -> float:
        """Return the PSNR, in dB."""
        return round(psnr_db(self.original, decoded), 3)

    def lpips(self, decoded: Pixels) -> float | None:
        """Return LPIPS (AlexNet), or None where it cannot be had."""
        return None if self._lpips is None else round(self._lpips.measure(decoded), 5)

    @cached_property
    def _lpips(self) -> LpipsAlex | None:
        try:
            check_installed("LPIPS", *LPIPS_PACKAGES, extra="lpips")
            from hvqcgic.perceptual import weights_path

            # Loading it would download them.
            if not weights_path("alex").is_file():
                self.why_no_lpips = f"LPIPS is not shown: there are no weights at {weights_path('alex')}"
                return None
            return LpipsAlex(self.original)
        except HvqcgicError as error:
            self.why_no_lpips = f"LPIPS is not shown: {error}"
            return None
