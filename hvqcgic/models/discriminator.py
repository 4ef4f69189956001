"""Patch discriminator for the adversarial part of the distortion (training only)."""

from __future__ import annotations

from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """Three strided convolutions and a score for every patch.

    Source: Isola et al. 2017 (PatchGAN), as in Control-GIC; without batch normalisation.
    """

    def __init__(self, width: int = 32) -> None:
        """Args: width: channels after the first convolution."""
        super().__init__()
        self.network = nn.Sequential(
            nn.utils.spectral_norm(nn.Conv2d(3, width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            nn.utils.spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            nn.utils.spectral_norm(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Score pictures; a high score means real.

        Args:
            picture: (B, 3, H, W), in [0, 1]; H and W at least 8.
        Returns:
            (B, 1, floor(H / 8), floor(W / 8)).
        """
        return self.network(picture * 2 - 1)
