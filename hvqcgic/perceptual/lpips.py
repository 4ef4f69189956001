"""LPIPS v0.1 as a loss and as a metric, with frozen parameters and a clear error for missing backbone weights."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hvqcgic.errors import ConfigError
from hvqcgic.extras import check_installed
from hvqcgic.perceptual.requirements import LPIPS_PACKAGES, SMALLEST_SIDE_PX
from hvqcgic.perceptual.torchvision_shim import import_torchvision
from hvqcgic.perceptual.weights_cache import WeightsMissing, cached_path, fetch_weights

WEIGHT_FILES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
_SERVER = "https://download.pytorch.org/models/"


class Lpips(nn.Module):
    """LPIPS distance of picture pairs, with every parameter frozen.

    Features of an input without gradient build no graph, so a reference costs one plain forward pass. Under autocast,
    as in a training in bfloat16, the backbone computes in half precision.

    Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", eq. 1, v0.1.
    """

    def __init__(self, network: nn.Module) -> None:
        """Wrap `network`, an `lpips.LPIPS` with its learned linear layers."""
        super().__init__()
        self.scaling = network.get_submodule("scaling_layer")
        self.backbone = network.get_submodule("net")
        self.linear = nn.ModuleList(layer.get_submodule("model") for layer in network.get_submodule("lins").children())
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Lpips:
        """Stay in evaluation mode: the linear layers have dropout, and a parent module switches all its children."""
        return super().train(False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance of each pair.

        Args:
            x: pictures, (B, 3, H, W), floating point in [0, 1], sides of at least 32 px; may carry a gradient.
            y: reference pictures, like x.
        Returns:
            LPIPS, (B,), float32, 0 for equal pictures.
        Raises:
            ConfigError: a side is below 32 px.
        """
        if min(x.shape[-2:]) < SMALLEST_SIDE_PX:
            height, width = x.shape[-2:]
            raise ConfigError(f"LPIPS of a {width}x{height} px picture: needs sides of at least {SMALLEST_SIDE_PX} px")
        return self.distance(self.features(x), self.features(y))

    def distance(self, x: list[Tensor], y: list[Tensor]) -> Tensor:
        """Distance of each pair, (B,), from the results of `features` for both."""
        pairs = zip(x, y, self.linear, strict=True)
        with torch.autocast(x[0].device.type, enabled=False):
            return torch.stack([linear((a - b) ** 2).mean((1, 2, 3)) for a, b, linear in pairs]).sum(0)

    def features(self, x: Tensor) -> list[Tensor]:
        """Backbone features of each layer, float32, of unit length over channels, from (B, 3, H, W) in [0, 1].

        Convolutions are in half precision under autocast; the rest is in float32, as distances are small differences.
        """
        maps = self.backbone(self.scaling(2 * x.float() - 1))
        return [F.normalize(features.float(), dim=1, eps=1e-10) for features in maps]


def load_lpips(net: str = "alex") -> Lpips:
    """Load LPIPS v0.1 on the CPU, in evaluation mode, without gradients for its parameters, in channels-last layout.

    The layout saves a tenth (alex), a fifth (vgg) or more than half (squeeze) of the time of the convolutions.

    Args:
        net: backbone, one of alex, vgg, squeeze.
    Returns:
        module from (x, y), each (B, 3, H, W) in [0, 1], to (B,) distances.
    Raises:
        ConfigError: unknown backbone.
        MissingPackage: the package lpips or torchvision is not installed.
        WeightsMissing: the backbone's weights are not in torch's cache and cannot be downloaded, or are damaged.
    """
    if net not in WEIGHT_FILES:
        raise ConfigError(f"perceptual network {net!r} is unknown; use one of {', '.join(WEIGHT_FILES)}, or none")
    check_installed("LPIPS", *LPIPS_PACKAGES)
    path = fetch_backbone(net)
    import_torchvision()
    with warnings.catch_warnings():
        # lpips uses torchvision's old option `pretrained=True`, which warns at each call.
        warnings.simplefilter("ignore")
        import lpips

        try:
            network = lpips.LPIPS(net=net, version="0.1", verbose=False)
        except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).partition("\n")[0]
            raise WeightsMissing(
                f"{path}: not usable as LPIPS backbone ({reason}); delete it and start again"
            ) from error
    return Lpips(network).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def weights_path(net: str = "alex") -> Path:
    """Path of the backbone weights of `net` in torch's cache (TORCH_HOME); the file need not exist."""
    return cached_path(WEIGHT_FILES[net])


def fetch_backbone(net: str, *, what: str = "LPIPS backbone") -> Path:
    """Return the path of the backbone weights of `net` in torch's cache; download them if they are missing.

    Raises:
        WeightsMissing: they are missing and cannot be downloaded.
    """
    return fetch_weights(_SERVER + WEIGHT_FILES[net], what)
