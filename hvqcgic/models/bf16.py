"""Convolutions of the picture networks in bfloat16, where a processor multiplies it about twice as fast as float32.

Sums are float32, and so is everything between convolutions that adds up: residual sums, features and pictures. The
picture of a file differs by about 0.1 of 255 in the mean, and by 2 at most, from that of float32. An encoder in
bfloat16 chooses about one index of a hundred otherwise, at the same size and quality. Nothing that a stream depends on
runs in it: an encoder's features are a choice of the encoder, and the entropy model computes with integers.
Networks of the reverse path and of Control-GIC stay float32.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.errors import ConfigError

PicturePrecision = Literal["auto", "float32", "bfloat16"]
"""Of the picture networks: "auto" is bfloat16 on processors that multiply it, and float32 elsewhere."""


def processor_multiplies_bf16() -> bool:
    """Whether this processor has instructions that multiply bfloat16 numbers (AVX-512 BF16 or AMX)."""
    if not hasattr(torch.cpu, "get_capabilities"):
        return False  # an older PyTorch does not say
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


class Convolution(nn.Conv2d):
    """A convolution that runs in bfloat16 where `use_bf16` says so, and never with gradients.

    Attributes:
        in_bf16: whether it does.
    """

    in_bf16 = False

    def forward(self, input: Tensor) -> Tensor:
        """Float32 in and out."""
        if not runs_in_bf16(self):
            return super().forward(input)
        weight, bias = in_bf16(self)
        found = F.conv2d(input.bfloat16(), weight, bias, self.stride, self.padding)  # pyright: ignore[reportArgumentType]
        return found.float()


def in_bf16(convolution: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    """Weight, channels last, and bias in bfloat16."""
    weight = convolution.weight.to(torch.bfloat16, memory_format=torch.channels_last)
    return weight, None if convolution.bias is None else convolution.bias.bfloat16()


def runs_in_bf16(convolution: nn.Conv2d) -> bool:
    """Whether a convolution runs in bfloat16 now."""
    return isinstance(convolution, Convolution) and convolution.in_bf16 and not torch.is_grad_enabled()


def use_bf16(networks: nn.Module, precision: PicturePrecision, device: torch.device) -> None:
    """Let the convolutions of networks run in bfloat16, or not.

    Args:
        networks: encoder, decoder, or a module of both.
        precision: see `PicturePrecision`.
        device: of the networks; "auto" is float32 on a GPU.

    Raises:
        ConfigError: there is no such precision.
    """
    if precision not in get_args(PicturePrecision):
        raise ConfigError(f"precision {precision!r} is not known; it is one of {', '.join(get_args(PicturePrecision))}")
    wanted = precision == "bfloat16" or (precision == "auto" and device.type == "cpu" and processor_multiplies_bf16())
    for module in networks.modules():
        if isinstance(module, Convolution):
            module.in_bf16 = wanted


def precision_of(networks: nn.Module) -> PicturePrecision:
    """The precision in which the convolutions of networks run: "bfloat16" or "float32"."""
    halved = any(isinstance(module, Convolution) and module.in_bf16 for module in networks.modules())
    return "bfloat16" if halved else "float32"


def gradients_as(networks: nn.Module, device: torch.device) -> torch.autocast:
    """A context in which gradients are computed in bfloat16, too, if the convolutions of networks run in it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision_of(networks) == "bfloat16")
