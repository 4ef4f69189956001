"""The options of an encoder for one picture, and their allowed values; checked without NumPy and torch."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict, Unpack

from hvqcgic.bitstream import CELL_PX
from hvqcgic.errors import ConfigError, KindError, MissingPackage, UnknownOption
from hvqcgic.extras import check_installed
from hvqcgic.files import one_line
from hvqcgic.models import Ratios, check_ratios
from hvqcgic.perceptual import LPIPS_PACKAGES
from hvqcgic.rate_control.quality import QUALITIES, Quality
from hvqcgic.rate_control.ratio_path import DEFAULT, ratios
from hvqcgic.rate_control.regions import Region, Roi

if TYPE_CHECKING:
    from hvqcgic.models import ModelConfig

LARGEST_BPP = 24.0
"""Bit rate of a picture without compression."""

HIGHEST_QUALITY = 100
TARGETS = ("ratios", "bpp", "max_bytes", "target", "quality")
"""Fields of an operating point of which at most one is given."""

GRANULARITY_ORDERS = ("auto", "entropy", "rd")
DEFAULT_ETA = 0.1
"""Default for size targets: on validation pictures, as good as any eta at high rates and better than 0 at low rates."""
LARGEST_ETA = 100.0
LARGEST_REFINE = 1000
"""Largest number of steps; most of the gain comes within the first five."""
AUTO_ETAS = (0.0, 0.1, 0.3)


class ModelSize(NamedTuple):
    """What a bit rate depends on of a `ModelConfig`, as the header of a model file gives it."""

    name: str
    codebook_size: int


class Choices(TypedDict, total=False):
    """The fields of `OperatingPoint`, as keyword arguments."""

    ratios: Ratios | None
    bpp: float | None
    max_bytes: int | None
    target: str | None
    quality: float | None
    eta: float | Literal["auto"] | None
    granularity: str
    path: str
    roi: Sequence[Roi]
    refine: int
    clamp: bool


@dataclass(frozen=True)
class OperatingPoint:
    """The options of an encoder for one picture.

    Attributes:
        ratios: (fine, medium, coarse) shares of the area, sum 1.
        bpp: bits per pixel of the file, above 0 and at most 24.
        max_bytes: most bytes of the file, at least 1.
        target: a quality as NAME=VALUE, "lpips=0.08" or "psnr=27"; the smallest file that has it is searched.
        quality: place on the ratio path in per cent, 0 (all cells coarse) to 100 (all fine).
        eta: weight of a bit in the choice of an index, see `PictureCoder.try_out`; "auto" to choose among AUTO_ETAS for
            each picture by its squared error; None for DEFAULT_ETA with a size target and 0 otherwise.
        granularity: "entropy" chooses fine cells by information density; "rd" by the decrease of distortion per index;
            "auto" is "rd" where the model has a proxy decoder, which makes it quick, and neither ratios nor regions are
            given, as shares of the area and weights of density are those of "entropy".
        path: the ratio path of targets, one of `hvqcgic.rate_control.ratio_path.PATHS`.
        roi: regions with finer cells than the rest, rectangles or masks.
        refine: steps of gradient descent on the picture's features before quantisation, 0 to 1000, see
            `hvqcgic.rate_control.refinement`; more steps give a better picture and take more time.
        clamp: use the nearest possible rate or quality if the target is out of range, instead of an error.

    At most one of ratios, bpp, max_bytes, target and quality is given; without any of them, the model's default ratios
    are used.

    Raises:
        ConfigError: on construction, if a value is not allowed or two targets are given.
        KindError: on construction, if a region is no `Region` and no mask's file.
        MissingPackage: on construction, if LPIPS is needed and not installed.
    """

    ratios: Ratios | None = None
    bpp: float | None = None
    max_bytes: int | None = None
    target: str | None = None
    quality: float | None = None
    eta: float | Literal["auto"] | None = None
    granularity: str = "auto"
    path: str = DEFAULT
    roi: Sequence[Roi] = ()
    refine: int = 0
    clamp: bool = False

    def __post_init__(self) -> None:
        """Check everything that does not depend on picture or model."""
        targets = [name for name in TARGETS if getattr(self, name) is not None]
        if len(targets) > 1:
            raise ConfigError(f"{' and '.join(targets)} are two targets; give one of them")
        if self.ratios is not None:
            try:
                check_ratios(self.ratios)
            except ValueError as error:
                raise ConfigError(str(error)) from error
        if self.bpp is not None and not 0 < self.bpp <= LARGEST_BPP:
            raise ConfigError(f"bpp {self.bpp:g} is no rate; give a number above 0 and at most {LARGEST_BPP:g}")
        if self.max_bytes is not None and not self.max_bytes >= 1:
            raise ConfigError(f"max_bytes {self.max_bytes} is no size; give at least 1")
        if self.target is not None and parse_target(self.target).kind.needs_lpips:
            check_installed(f"target {self.target}", *LPIPS_PACKAGES)
        if self.granularity not in GRANULARITY_ORDERS:
            raise ConfigError(
                f"granularity {self.granularity!r} is unknown; use one of {', '.join(GRANULARITY_ORDERS)}"
            )
        ratios(0.0, self.path)
        self._check_quality()
        self._check_roi()
        if isinstance(self.refine, bool) or not isinstance(self.refine, int) or not 0 <= self.refine <= LARGEST_REFINE:
            raise ConfigError(
                f"refine {self.refine!r} is no number of steps; give a whole number from 0 (features as the encoder "
                f"has them) to {LARGEST_REFINE}"
            )
        if self.refine:
            check_installed(f"refine {self.refine}", *LPIPS_PACKAGES)
        self._check_eta()

    def _check_quality(self) -> None:
        quality: object = self.quality
        if quality is None:
            return
        number = isinstance(quality, int | float) and not isinstance(quality, bool)
        if not number or not 0 <= quality <= HIGHEST_QUALITY:
            ends = f"0 (all cells coarse) to {HIGHEST_QUALITY} (all fine)"
            raise ConfigError(f"quality {quality!r} is not allowed; give a number from {ends}")

    def _check_roi(self) -> None:
        given: object = self.roi
        if given is None:  # Calls that pass on an option of theirs have None for no regions.
            return
        single = isinstance(given, Region | str | bytes) or not isinstance(given, Sequence)
        for roi in [given] if single else given:
            if single or not isinstance(roi, Region | os.PathLike | str | bytes):
                kinds = "Region(x, y, width, height), or the path or the bytes of a mask's file"
                raise KindError(f"roi {one_line([roi])[:60]} is no list of regions; each is {kinds}")

    def _check_eta(self) -> None:
        eta = self.eta
        if isinstance(eta, str):
            if eta != "auto":
                raise ConfigError(f"eta {eta!r} is unknown; give a number from 0, or auto")
            if not self.seeks_size:
                raise ConfigError("eta auto compares files of one size; give bpp or max_bytes, or a number for eta")
        elif eta is not None and not 0 <= eta <= LARGEST_ETA:
            raise ConfigError(f"eta {eta:g} is not allowed; give a number from 0 (nearest codes) to {LARGEST_ETA:g}")

    @property
    def place(self) -> float | None:
        """Place on the ratio path that the quality names; None without one."""
        return None if self.quality is None else self.quality / HIGHEST_QUALITY

    @property
    def shares(self) -> Ratios | None:
        """Ratios that are given, or those of the quality; None without either."""
        return self.ratios if self.place is None else ratios(self.place, self.path)

    def orders_by_distortion(self, *, has_proxy: bool) -> bool:
        """Whether fine cells are chosen by distortion, with a model that has a proxy decoder or not."""
        chosen = self.granularity == "auto" and has_proxy and self.ratios is None and not self.roi
        return chosen or self.granularity == "rd"

    @property
    def seeks_size(self) -> bool:
        """Whether there is a target for the size of the file."""
        return self.bpp is not None or self.max_bytes is not None

    @property
    def etas(self) -> tuple[float, ...]:
        """The values of eta to try; one value unless "auto"."""
        if isinstance(self.eta, str):
            return AUTO_ETAS
        if self.eta is None:
            return (DEFAULT_ETA if self.seeks_size else 0.0,)
        return (float(self.eta),)


@dataclass(frozen=True)
class QualityTarget:
    """A target quality and its value."""

    kind: type[Quality]
    value: float


def parse_target(text: str) -> QualityTarget:
    """Parse a target such as "lpips=0.08".

    Raises:
        ConfigError: the text is not NAME=VALUE, the quality is unknown, or the value is not allowed.
    """
    name, equals, number = (part.strip() for part in text.partition("="))
    if not equals or name not in QUALITIES:
        known = ", ".join(QUALITIES)
        raise ConfigError(f"target {text!r} is not NAME=VALUE with a quality of {known}; give lpips=0.08 or psnr=27")
    kind = QUALITIES[name]
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not kind.low <= value <= kind.high:
        raise ConfigError(f"target {text!r}: give a number from {kind.low:g} to {kind.high:g} for {name}")
    return QualityTarget(kind, value)


def rate_range(config: ModelConfig | ModelSize) -> tuple[float, float]:
    """Approximate bit rates of a model, in bpp: indices of fixed length, with all cells coarse and with all fine."""
    bits = math.ceil(math.log2(config.codebook_size))
    return bits / CELL_PX["coarse"] ** 2, bits / CELL_PX["fine"] ** 2


def refuse_unknown(options: Iterable[str], known: Sequence[str]) -> None:
    """Raise `UnknownOption`, with the nearest known option, for the first that is not known."""
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            guess = f"did you mean {near[0]}? " if near else ""
            raise UnknownOption(f"unknown option {name!r}: {guess}known are {', '.join(sorted(known))}")


def check_choices(config: Callable[[], ModelConfig | ModelSize], **choices: Unpack[Choices]) -> OperatingPoint:
    """Build an operating point; the error message of a wrong bit rate includes the model's range.

    Args:
        config: returns the model's configuration; called only when needed.
        choices: fields of `OperatingPoint`.

    Raises:
        UnknownOption: a choice is no field of `OperatingPoint`.
        KindError: as in `OperatingPoint`.
        ConfigError: as in `OperatingPoint`.
        MissingPackage: as in `OperatingPoint`.
    """
    refuse_unknown(choices, (*Choices.__annotations__, "coding", "metadata"))
    try:
        return OperatingPoint(**choices)
    except MissingPackage:
        raise
    except ConfigError as error:
        if choices.get("bpp") is None and choices.get("max_bytes") is None:
            raise
        model = config()
        low, high = rate_range(model)
        raise ConfigError(f"{error} ({model.name} reaches about {low:.2f} to {high:.2f} bpp)") from error
