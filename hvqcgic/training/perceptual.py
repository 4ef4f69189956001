"""LPIPS v0.1 as a loss: frozen, silent, and clear about backbone weights that are not there."""

from __future__ import annotations

import pickle
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hvqcgic.errors import ConfigError
from hvqcgic.training.torchvision_shim import import_torchvision

WEIGHT_FILES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
_SERVER = "https://download.pytorch.org/models/"
_CONNECT_TIMEOUT_S = 10.0
_SMALLEST_SIDE_PX = 32


class PerceptualWeightsMissing(ConfigError):
    """The backbone weights of a perceptual network are neither on this machine nor to be had from it."""


class Lpips(nn.Module):
    """LPIPS distance of picture pairs, with every parameter frozen.

    Features of an input without gradient build no graph, so a reference costs one plain forward pass.

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
        """Stay in evaluation mode: the linear layers hold dropout, and a parent module switches all its children."""
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
        if min(x.shape[-2:]) < _SMALLEST_SIDE_PX:
            height, width = x.shape[-2:]
            raise ConfigError(f"LPIPS of a {width}x{height} px picture: needs sides of at least {_SMALLEST_SIDE_PX} px")
        with torch.autocast(x.device.type, enabled=False):
            pairs = zip(self._features(x), self._features(y), self.linear, strict=True)
            layers = [linear((a - b) ** 2).mean((1, 2, 3)) for a, b, linear in pairs]
            return torch.stack(layers).sum(0)

    def _features(self, x: Tensor) -> list[Tensor]:
        """Backbone features of each layer, of unit length over channels, from (B, 3, H, W) in [0, 1]."""
        maps = self.backbone(self.scaling(2 * x.float() - 1))
        return [F.normalize(features, dim=1, eps=1e-10) for features in maps]


def load_lpips(net: str = "alex") -> Lpips:
    """LPIPS v0.1 on the CPU, in evaluation mode, without gradients for its parameters.

    Args:
        net: backbone, one of alex, vgg, squeeze.
    Returns:
        module taking (x, y), each (B, 3, H, W) in [0, 1], to (B,) distances.
    Raises:
        ConfigError: unknown backbone.
        PerceptualWeightsMissing: the backbone's weights are not in torch's cache and cannot be downloaded.
    """
    if net not in WEIGHT_FILES:
        raise ConfigError(f"perceptual network {net!r} is unknown; use one of {', '.join(WEIGHT_FILES)}, or none")
    path = _ensure_weights(WEIGHT_FILES[net])
    import_torchvision()
    with warnings.catch_warnings():
        # lpips still asks torchvision for `pretrained=True`, which warns at each call.
        warnings.simplefilter("ignore")
        import lpips

        try:
            network = lpips.LPIPS(net=net, version="0.1", verbose=False)
        except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).partition("\n")[0]
            raise PerceptualWeightsMissing(
                f"{path}: not usable as LPIPS backbone ({reason}); delete it and start again, "
                "or train with --perceptual none"
            ) from error
    return Lpips(network)


def weights_path(net: str = "alex") -> Path:
    """Where torch's cache (TORCH_HOME) keeps the backbone weights of `net`; the file need not exist."""
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHT_FILES[net]


def _ensure_weights(name: str) -> Path:
    """Path of the weight file `name` in torch's cache, downloaded there if it is missing."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _socket_timeout(_CONNECT_TIMEOUT_S):
            sys.stderr.write(f"downloading {_SERVER}{name} to {path}\n")
            torch.hub.download_url_to_file(
                _SERVER + name, str(path), hash_prefix=path.stem.rpartition("-")[2], progress=sys.stderr.isatty()
            )
    except (OSError, RuntimeError) as error:
        raise PerceptualWeightsMissing(
            f"{path}: no LPIPS backbone weights there and no download ({error}); put {_SERVER}{name} there, "
            "or point TORCH_HOME at a folder with hub/checkpoints/, or train with --perceptual none"
        ) from error
    return path


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Bound every wait for the network: torch.hub itself would wait for ever on a silent proxy."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
