"""Perceptual distances: LPIPS, the distortion of the training loss, and weights of feature networks.

In: pictures as tensors (B, 3, H, W) in [0, 1]. Out: distances (B,), scalars of the loss.
May import: `errors`, `extras`.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.perceptual.losses import TERMS as TERMS
    from hvqcgic.perceptual.losses import Distortion as Distortion
    from hvqcgic.perceptual.losses import Perceptual as Perceptual
    from hvqcgic.perceptual.losses import distortion as distortion
    from hvqcgic.perceptual.losses import in_turns as in_turns
    from hvqcgic.perceptual.lpips import Lpips as Lpips
    from hvqcgic.perceptual.lpips import fetch_backbone as fetch_backbone
    from hvqcgic.perceptual.lpips import load_lpips as load_lpips
    from hvqcgic.perceptual.lpips import weights_path as weights_path
    from hvqcgic.perceptual.requirements import LPIPS_PACKAGES as LPIPS_PACKAGES
    from hvqcgic.perceptual.requirements import SMALLEST_SIDE_PX as SMALLEST_SIDE_PX
    from hvqcgic.perceptual.squares import CONTRAST_WEIGHT as CONTRAST_WEIGHT
    from hvqcgic.perceptual.squares import SQUARE_PX as SQUARE_PX
    from hvqcgic.perceptual.squares import square_distortions as square_distortions
    from hvqcgic.perceptual.torchvision_shim import import_torchvision as import_torchvision
    from hvqcgic.perceptual.weights_cache import WeightsMissing as WeightsMissing
    from hvqcgic.perceptual.weights_cache import fetch_weights as fetch_weights
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "losses": ["TERMS", "Distortion", "Perceptual", "distortion", "in_turns"],
            "lpips": ["Lpips", "fetch_backbone", "load_lpips", "weights_path"],
            "requirements": ["LPIPS_PACKAGES", "SMALLEST_SIDE_PX"],
            "squares": ["CONTRAST_WEIGHT", "SQUARE_PX", "square_distortions"],
            "torchvision_shim": ["import_torchvision"],
            "weights_cache": ["WeightsMissing", "fetch_weights"],
        },
    )
