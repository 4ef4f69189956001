"""hvqcgic's models through CompressAI's interface, and CompressAI's own evaluation program on them.

`import hvqcgic.compressai` adds the architectures `hvqcgic` and `hvqcgic-NAME`, for each bundled model, to CompressAI's
registry and zoo. `python -m hvqcgic.compressai` does so and then runs `compressai.utils.eval_model` with its arguments:

    python -m hvqcgic.compressai pretrained PICTURES -a hvqcgic-tiny -q 2,4,6

>>> from compressai.zoo import image_models                       # doctest: +SKIP
>>> import hvqcgic.compressai                                     # doctest: +SKIP
>>> model = image_models["hvqcgic-tiny"](quality=4)               # doctest: +SKIP
>>> model.compress(x)["strings"]                                  # doctest: +SKIP
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from hvqcgic.cli import USAGE, complain
from hvqcgic.codec import Codec
from hvqcgic.errors import ConfigError, HvqcgicError, KindError, MissingPackage, ModelError
from hvqcgic.extras import check_installed
from hvqcgic.model_files import MODEL_SUFFIX, bundled_models, check_offered, find_model, read_model
from hvqcgic.perceptual import import_torchvision
from hvqcgic.rate_control import HIGHEST_QUALITY, Choices, check_choices, refuse_unknown

try:
    check_installed("hvqcgic.compressai", "compressai", extra="train")
except MissingPackage as error:
    if __name__ != "__main__":
        raise
    complain(error)
    sys.exit(USAGE)
import_torchvision()
from compressai import zoo  # noqa: E402
from compressai.models import CompressionModel  # noqa: E402
from compressai.registry import register_model  # noqa: E402
from compressai.zoo.image import model_architectures  # noqa: E402

__all__ = ["ARCHITECTURE", "QUALITIES", "HvqCgic", "pretrained"]

ARCHITECTURE = "hvqcgic"
QUALITIES = range(1, 9)
"""Qualities of `pretrained`: places on the ratio path in equal steps, from all cells coarse to all cells fine."""
STATE = "model_file"
"""Name of the model file's bytes in the state."""


@register_model(ARCHITECTURE)
class HvqCgic(CompressionModel):
    """One model at one operating point, in evaluation; there are no gradients.

    Its state is the bytes of the model file and the operating point, so that `torch.save(model.state_dict(), path)`
    makes a checkpoint of the architecture `hvqcgic`. The networks are those of `codec`, on the device of this module.

    Args:
        model: name of a bundled model, or path of a model file.
        choices: the operating point, as in `Codec.compress`: ratios=(0.5, 0.4, 0.1), bpp=0.25, eta=0.1 …

    Raises:
        ModelError: there is no such model, it is damaged, or it is retired.
        ConfigError: a choice is not allowed.
    """

    model_file: Tensor

    def __init__(self, model: str | Path = "tiny", **choices: Unpack[Choices]) -> None:
        super().__init__()
        path = find_model(model)
        check_offered(path)
        content = bytearray(path.read_bytes())
        self.register_buffer(STATE, torch.frombuffer(content, dtype=torch.uint8))
        # Without numbers: results are on its device and of its type, and CompressAI looks there for the device.
        self.place = nn.Parameter(torch.empty(0), requires_grad=False)
        self._codec: Codec | None = None
        self.choices = self._check(choices)

    @property
    def codec(self) -> Codec:
        """The codec of the model, loaded when it is first used and after a move to another device."""
        if self._codec is None or self._codec.device != self.place.device:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"checkpoint{MODEL_SUFFIX}"
                path.write_bytes(self.model_file.cpu().numpy().tobytes())
                self._codec = Codec(replace(read_model(path), source=None), self.place.device)
        return self._codec

    def forward(self, x: Tensor) -> dict[str, Any]:
        """Code pictures to integers and decode these.

        Args:
            x: (B, 3, H, W), in [0, 1]; the codec takes 8 bits a sample.
        Returns:
            "x_hat", the decoded pictures, (B, 3, H, W) in [0, 1]; and "likelihoods" of all symbols that the range coder
            gets, (N,) each, of "map", "z", "coarse", "medium" and "fine". The sum of their bits is that of the file
            without its container.
        """
        encoded = [self.codec.encode(pixels, **self.choices) for pixels in _pixels_of(x)]
        bits = [self.codec.symbol_bits(each) for each in encoded]
        likelihoods = {name: self._likelihoods([each[name] for each in bits]) for name in bits[0]}
        return {"x_hat": self._as_batch([self.codec.reconstruct(each) for each in encoded]), "likelihoods": likelihoods}

    def compress(self, x: Tensor) -> dict[str, Any]:
        """Compress pictures.

        Args:
            x: (B, 3, H, W), in [0, 1]; the codec takes 8 bits a sample.
        Returns:
            "strings", one list with the whole `.hvq` file of each picture; and "shape", (H, W).
        Raises:
            Unreachable: a picture cannot have the bit rate or quality of the operating point.
        """
        files = [self.codec.compress(pixels, **self.choices) for pixels in _pixels_of(x)]
        return {"strings": [files], "shape": x.shape[-2:]}

    def decompress(self, strings: Sequence[Sequence[bytes]], shape: Sequence[int]) -> dict[str, Tensor]:
        """Decompress pictures, of this process or another, with the model that made them if it is bundled.

        Args:
            strings: as `compress` gives them.
            shape: (H, W) of all pictures.
        Returns:
            "x_hat", (B, 3, H, W), in [0, 1].
        Raises:
            BitstreamError: a string is no file that this model can decode.
            KindError: the strings are not one list, or a picture has another size.
        """
        if len(strings) != 1:
            raise KindError(f"{len(strings)} lists of strings; give those of compress, one list of .hvq files")
        pictures = [self.codec.decompress(data) for data in strings[0]]
        for picture in pictures:
            if (picture.height, picture.width) != tuple(shape):
                size = f"{picture.height} x {picture.width}"
                raise KindError(f"shape {tuple(shape)}: a file holds a picture of {size}; give the shape of compress")
        return {"x_hat": self._as_batch(pictures)}

    def update(self, scale_table: Any = None, force: bool = False, update_quantiles: bool = False) -> bool:
        """Return False: the tables of the entropy model are integers in the model file, and never change."""
        return False

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any:
        """Take the model and the operating point of a state.

        Raises:
            ModelError: it is no state of this class.
        """
        if STATE not in state_dict:
            raise ModelError(
                f"the checkpoint has no {STATE!r}, so it is none of architecture {ARCHITECTURE}; make one of a model "
                "file: torch.save(hvqcgic.compressai.HvqCgic('mine.safetensors').state_dict(), 'mine.pth')"
            )
        self._codec, self.model_file = None, torch.empty_like(state_dict[STATE], device=self.place.device)
        return super().load_state_dict(state_dict, strict)

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Any]) -> Self:
        """Return the model of a state; errors as in `load_state_dict`."""
        model = cls()
        model.load_state_dict(state_dict)
        return model

    def get_extra_state(self) -> Choices:
        """The operating point, for the state."""
        return self.choices

    def set_extra_state(self, state: Choices) -> None:
        """Take the operating point of a state; raise `ConfigError` if it is not allowed."""
        self.choices = self._check(state)

    def _check(self, choices: Choices) -> Choices:
        refuse_unknown(choices, tuple(Choices.__annotations__))
        check_choices(lambda: self.codec.config, **choices)
        return choices

    def _likelihoods(self, bits: Sequence[NDArray[np.float64]]) -> Tensor:
        return torch.from_numpy(np.exp2(-np.concatenate(bits))).float().to(self.place.device)

    def _as_batch(self, pictures: Sequence[Image.Image]) -> Tensor:
        batch = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)
        return (batch.float() / 255).to(self.place)


def pretrained(
    model: str, quality: int, metric: str = "mse", pretrained: bool = True, progress: bool = True, **choices: Any
) -> HvqCgic:
    """Return a bundled model, with the arguments of CompressAI's zoo.

    Args:
        model: its name.
        quality: 1 (all cells coarse) to 8 (all cells fine): the place (quality - 1) / 7 on the ratio path.
        metric: "mse", which stands for the model's own loss; there are no weights for another.
        pretrained: True; there are no random weights.
        progress: not used, as nothing is downloaded.
        choices: further choices of `HvqCgic`, such as eta.

    Raises:
        ConfigError: an argument is not allowed.
    """
    if quality not in QUALITIES:
        raise ConfigError(f"quality {quality} is unknown; give 1 (all cells coarse) to 8 (all cells fine)")
    if metric != "mse":
        raise ConfigError(f"metric {metric!r}: {model} has one set of weights, for its own loss; leave the metric out")
    if not pretrained:
        raise ConfigError(f"{model} with random weights cannot code; use pretrained=True")
    place = (quality - 1) / (len(QUALITIES) - 1)
    return HvqCgic(model, quality=HIGHEST_QUALITY * place, **choices)


def main() -> int:
    """Run CompressAI's evaluation program with the arguments of this process; return the exit code."""
    from compressai.utils.eval_model.__main__ import main as evaluate

    try:
        evaluate(sys.argv[1:])
    except HvqcgicError as error:
        complain(error)
        return USAGE
    return 0


def _register() -> None:
    makers = {ARCHITECTURE: partial(pretrained, "tiny")}
    makers |= {f"{ARCHITECTURE}-{name}": partial(pretrained, name) for name in bundled_models()}
    for models in (zoo.image_models, zoo.models):
        models.update(makers)
    model_architectures.update(dict.fromkeys(makers, HvqCgic))


def _pixels_of(x: Tensor) -> list[NDArray[np.uint8]]:
    """Pictures (H, W, 3) of a batch (B, 3, H, W) in [0, 1]."""
    if x.ndim != 4 or x.shape[1] != 3:
        raise KindError(f"a tensor of shape {tuple(x.shape)} is no batch of pictures; give (B, 3, H, W), from 0 to 1")
    rounded = (x.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return list(rounded.permute(0, 2, 3, 1).cpu().contiguous().numpy())


_register()

if __name__ == "__main__":
    sys.exit(main())
