"""Interface of every codec in a comparison: picture to bytes to picture, at one operating point."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvqcgic.errors import ConfigError, MissingPackage
from hvqcgic.evaluation.operating_points import Parameter
from hvqcgic.extras import check_installed

Pixels = NDArray[np.uint8]
"""A picture, (H, W, 3), sRGB."""


class CodecUnavailable(ConfigError):
    """A codec lacks a package or weights on this machine."""


def need_package(codec: str, module: str) -> None:
    """Check that the package of a codec is installed.

    Raises:
        CodecUnavailable: the package is not installed.
    """
    try:
        check_installed(f"codec {codec}", module)
    except MissingPackage as error:
        raise CodecUnavailable(str(error)) from error


@dataclass(frozen=True)
class Details:
    """Facts about a coded file beside its size.

    Attributes:
        parts: bits by part, which sum to the bits of the file.
        granularity_map: the cells in colours, of the picture's size; None for codecs without cells.
        cell_bits: heat map of the bits of each cell, of the picture's size; None if unknown.
    """

    parts: dict[str, float] = field(default_factory=dict)
    granularity_map: Image.Image | None = None
    cell_bits: Image.Image | None = None


class PictureCodec(ABC):
    """One codec at one operating point, ready to run. The constructor loads everything that needs loading.

    Attributes:
        name: name in specifications; empty for base classes.
        suffix: of its files.
        parameter: the number that its operating points set.
        default_points: operating points for a specification without points.
    """

    name: ClassVar[str] = ""
    suffix: ClassVar[str] = ""
    parameter: ClassVar[Parameter]
    default_points: ClassVar[str] = ""

    def __init__(self, variant: str, point: str, *, device: str = "cpu") -> None:
        """Load the codec.

        Args:
            variant: the text after the colon in a specification; empty for codecs with one variant.
            point: one of the labels of `points`.
            device: device of the networks.
        Raises:
            ConfigError: there is no such variant, or it cannot be used on this machine (`CodecUnavailable`).
        """
        if variant:
            raise ConfigError(f"codec {self.name} has no variants, {variant!r} is unknown; write {self.name}@POINTS")
        self.value = self.parameter.value(point)

    @classmethod
    def points(cls, text: str) -> list[str]:
        """Parse operating points into labels; an empty text gives the default points.

        Raises:
            ConfigError: the text does not parse, or a value is not allowed.
        """
        return cls.parameter.parse(text or cls.default_points)

    @classmethod
    def settle(cls, variant: str, points: str) -> tuple[str, str]:
        """Return variant and points of a specification, with options among the points moved to the variant."""
        return variant, points

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Settings, versions and weights that results depend on; stored rows of another fingerprint are made again."""

    @abstractmethod
    def encode(self, picture: Pixels) -> bytes:
        """Encode a picture, (H, W, 3) of uint8, to the bytes of a file."""

    @abstractmethod
    def decode(self, data: bytes) -> Pixels:
        """Decode the bytes of a file to a picture, (H, W, 3) of uint8."""

    def details(self) -> Details:
        """Return facts about the picture that was encoded last."""
        return Details()
