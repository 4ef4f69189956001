"""What every codec in a comparison looks like: picture to bytes to picture, at one operating point."""

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
    """Do without a codec where its package is missing.

    Raises:
        CodecUnavailable: it is not installed.
    """
    try:
        check_installed(f"codec {codec}", module)
    except MissingPackage as error:
        raise CodecUnavailable(str(error)) from error


@dataclass(frozen=True)
class Details:
    """What a codec can tell of a file beside its size.

    Attributes:
        parts: bits by part, which sum to the file's.
        granularity_map: the cells in colours, of the picture's size; None of codecs without cells.
        cell_bits: heat map of the bits that each cell took, of the picture's size; None where that is not known.
    """

    parts: dict[str, float] = field(default_factory=dict)
    granularity_map: Image.Image | None = None
    cell_bits: Image.Image | None = None


class PictureCodec(ABC):
    """One codec at one operating point, ready to run: what takes time once (loading) is done when it is made.

    Attributes:
        name: in specs; empty of classes that are only there to be derived from.
        summary: what it is, in a few words.
        suffix: of its files.
        parameter: what its points are numbers of.
        default_points: where a spec names none.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    suffix: ClassVar[str] = ""
    parameter: ClassVar[Parameter]
    default_points: ClassVar[str] = ""

    def __init__(self, variant: str, point: str, *, device: str = "cpu") -> None:
        """Get ready.

        Args:
            variant: what stands after the name and a colon in a spec; empty of codecs that have but one.
            point: one of the labels that `points` gave.
            device: where networks run.
        Raises:
            ConfigError: there is no such variant, or it cannot be used on this machine (`CodecUnavailable`).
        """
        if variant:
            raise ConfigError(f"codec {self.name} has no variants, {variant!r} is unknown; write {self.name}@POINTS")
        self.value = self.parameter.value(point)

    @classmethod
    def points(cls, text: str) -> list[str]:
        """Labels of the operating points in a text; in an empty one, the default points.

        Raises:
            ConfigError: the text is not understood, or a value is not allowed.
        """
        return cls.parameter.parse(text or cls.default_points)

    @classmethod
    def settle(cls, variant: str, points: str) -> tuple[str, str]:
        """Variant and points of a spec, once what stands with the points but belongs to the variant is moved there."""
        return variant, points

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """All that its bytes and pictures depend on: settings, versions, weights. Rows are kept as long as it stays."""

    @abstractmethod
    def encode(self, picture: Pixels) -> bytes:
        """A picture, (H, W, 3) of uint8, as the bytes of a file."""

    @abstractmethod
    def decode(self, data: bytes) -> Pixels:
        """The picture in the bytes of a file, (H, W, 3) of uint8."""

    def details(self) -> Details:
        """What can be told of the picture that was encoded last."""
        return Details()
