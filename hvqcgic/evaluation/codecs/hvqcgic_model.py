"""This project's codec as a codec of comparisons: any model, coding mode and encoder option."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from hvqcgic import __version__
from hvqcgic.bitstream import MODES
from hvqcgic.codec import Codec, load
from hvqcgic.coder import Encoded, cell_bits_map, cell_sizes_map, check_sampling
from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.codecs.base import Details, PictureCodec, Pixels
from hvqcgic.evaluation.operating_points import Parameter
from hvqcgic.files import STREAM_SUFFIX
from hvqcgic.model_files import bundled_models, find_model
from hvqcgic.models import check_ratios
from hvqcgic.rate_control import (
    DEFAULT,
    GRANULARITY_ORDERS,
    HIGHEST_QUALITY,
    LARGEST_BPP,
    PATHS,
    QUALITIES,
    Choices,
    OperatingPoint,
)

PARAMETERS = {
    parameter.name: parameter
    for parameter in (
        Parameter("path", 0, 1, whole=False),
        Parameter("bpp", 0.0001, LARGEST_BPP, whole=False),
        Parameter("max_bytes", 1, 2**40),
        *(Parameter(kind.name, kind.low, kind.high, whole=False) for kind in QUALITIES.values()),
    )
}
"""Parameters that operating points can set, by name; a point without a name is a place on the ratio path."""

SAMPLING = {"steps": int, "randomness": float, "seed": int}
NUMBERS = {"eta": float, "refine": int, **SAMPLING}
"""Options with a number, and their types; options of the reverse path may also stand after the points."""


class HvqcgicModel(PictureCodec):
    """A model in a coding mode, with an encoder's choices; points are ratios, places on a ratio path, or targets.

    hvqcgic:MODEL[+MODE][+ORDER][+eta=E][+refine=N][+PATH][+steps=N][+randomness=S][+seed=N], where ORDER is rd or
    entropy, at the points ratios=F,M,C, path=0..1:8, bpp=0.1..0.4:5, max_bytes=, lpips=, psnr=. The options of the
    reverse path may stand behind the points instead, as in bpp=0.1..0.4:5,steps=2.
    """

    name = "hvqcgic"
    suffix = STREAM_SUFFIX
    parameter = PARAMETERS["path"]
    default_points = "path=0..1:8"

    def __init__(self, variant: str, point: str, *, device: str = "cpu") -> None:
        """See `PictureCodec`; the variant is MODEL[+OPTION...], with a bundled model or a model file."""
        self._options = parse_options(variant)
        self.point = self._options.at(point)
        self._codec = _load(self._options.model, device)
        self._reverse = self._options.reverse_path(self._codec)
        self._last: tuple[Encoded, dict[str, float]] | None = None

    @classmethod
    def points(cls, text: str) -> list[str]:
        """Parse ratios (`ratios=F,M,C`), places on the ratio path and targets, in any mixture, into labels."""
        labels: list[str] = []
        for part in (text or cls.default_points).split(";"):
            labels += [_ratios_label(part)] if _is_ratios(part) else _parameter_of(part).parse(part)
        return list(dict.fromkeys(labels))

    @classmethod
    def settle(cls, variant: str, points: str) -> tuple[str, str]:
        """Move options of the reverse path from the points, as in `bpp=0.1..0.4:5,steps=2`, to the variant."""
        parts, moved = points.split(","), list[str]()
        while parts and parts[-1].partition("=")[0] in SAMPLING and ";" not in parts[-1]:
            moved.insert(0, parts.pop())
        return "+".join([variant, *moved]), ",".join(parts)

    @property
    def fingerprint(self) -> str:
        """Model, coding mode, operating point, version of the encoder; proxy and reverse path where they are used."""
        codec, proxy = self._codec, self._codec.proxy_fingerprint
        by_proxy = self.point.orders_by_distortion(has_proxy=proxy is not None)
        cells = f" cells by {proxy.hex()}" if proxy is not None and by_proxy else ""
        version = f"hvqcgic {__version__}{self._reverse}"
        return f"{codec.fingerprint.hex()} {self._options.coding} {self.point}{cells} {version}"

    def encode(self, picture: Pixels) -> bytes:
        """Encode a picture to the bytes of a `.hvq` file."""
        found = self._codec.compress_at(picture, self.point, coding=self._options.coding)
        self._last = found.reached.encoded, found.written.parts
        return found.written.data

    def decode(self, data: bytes) -> Pixels:
        """Decode the bytes of a `.hvq` file."""
        options = self._options
        return np.array(self._codec.decompress(data, options.steps, options.randomness, options.seed))

    def details(self) -> Details:
        """Parts, granularity map and bits per cell; the lightest colour is the length of a fixed-length index."""
        if self._last is None:
            return Details()
        encoded, parts = self._last
        return Details(
            parts={name: float(part_bits) for name, part_bits in parts.items()},
            granularity_map=cell_sizes_map(encoded),
            cell_bits=cell_bits_map(self._codec, encoded, coding=self._options.coding),
        )


@dataclass(frozen=True)
class Options:
    """Options of a variant.

    Attributes:
        model: a bundled model, or a file.
        coding: mode.
        granularity: see `OperatingPoint`.
        eta: see `OperatingPoint`.
        path: the ratio path of the places.
        refine: see `OperatingPoint`.
        steps: steps of the reverse path, see `Codec.decompress`.
        randomness: of the reverse path, see `Codec.decompress`.
        seed: of the reverse path, see `Codec.decompress`.
    """

    model: str
    coding: str = MODES[0]
    granularity: str = "auto"
    eta: float | Literal["auto"] | None = None
    path: str = DEFAULT
    refine: int = 0
    steps: int = 0
    randomness: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise `ConfigError` for options that no decoder supports."""
        check_sampling(self.steps, self.randomness, self.seed)
        if self.steps and self.coding != MODES[0]:
            raise ConfigError(f"steps={self.steps}: the reverse path reads files coded {MODES[0]}, not {self.coding}")

    def reverse_path(self, codec: Codec) -> str:
        """Fingerprint of the reverse path, which pictures depend on; empty without steps.

        Raises:
            ModelError: there are steps, and the model has no usable reverse path.
        """
        if not self.steps:
            return ""
        return f" {self.steps} steps {self.randomness} {self.seed} by {codec.reverse_path.fingerprint.hex()}"

    def at(self, label: str) -> OperatingPoint:
        """Return the operating point of a label of `HvqcgicModel.points`."""
        wanted = self._wanted(label)
        return OperatingPoint(
            ratios=wanted.get("ratios"),
            bpp=wanted.get("bpp"),
            max_bytes=wanted.get("max_bytes"),
            target=wanted.get("target"),
            quality=wanted.get("quality"),
            eta=self.eta,
            granularity=self.granularity,
            path=self.path,
            refine=self.refine,
        )

    def _wanted(self, label: str) -> Choices:
        if _is_ratios(label):
            fine, medium, coarse = map(float, label.rpartition("=")[2].split(","))
            return {"ratios": (fine, medium, coarse)}
        parameter = _parameter_of(label)
        value = parameter.value(label)
        if parameter.name == "path":
            return {"quality": HIGHEST_QUALITY * value}
        if parameter.name == "bpp":
            return {"bpp": value}
        if parameter.name == "max_bytes":
            return {"max_bytes": int(value)}
        return {"target": f"{parameter.name}={value:g}"}


def parse_options(variant: str) -> Options:
    """What a variant MODEL[+OPTION...] stands for; options as `HvqcgicModel` names them.

    Raises:
        ConfigError: there is no model in it, or an option is unknown.
    """
    model, *words = variant.split("+")
    while words and not _is_option(words[0]) and model not in bundled_models():
        model += "+" + words.pop(0)
    if not model:
        raise ConfigError(f"codec hvqcgic: name a model, as in hvqcgic:tiny; known are {', '.join(bundled_models())}")
    chosen: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if word in MODES:
            chosen["coding"] = word
        elif word in PATHS:
            chosen["path"] = word
        elif word in GRANULARITY_ORDERS:
            chosen["granularity"] = word
        elif _is_option(word):
            chosen[name] = _number(name, value, variant)
        else:
            known = ", ".join([*MODES, *GRANULARITY_ORDERS, *(f"{name}=" for name in NUMBERS), *PATHS])
            raise ConfigError(f"option {word!r} of {variant!r} is unknown; use one of {known}")
    return Options(model, **chosen)


def _is_option(word: str) -> bool:
    named = word in MODES or word in PATHS or word in GRANULARITY_ORDERS
    return named or ("=" in word and word.partition("=")[0] in NUMBERS)


def _number(name: str, text: str, variant: str) -> float | int | Literal["auto"]:
    if name == "eta" and text == "auto":
        return "auto"
    try:
        return NUMBERS[name](text)
    except ValueError as error:
        kind = "whole number" if NUMBERS[name] is int else "number"
        auto = ", or auto" if name == "eta" else ""
        raise ConfigError(f"{name} {text!r} of {variant!r} is no {kind}; give one from 0{auto}") from error


def _parameter_of(part: str) -> Parameter:
    """Return the parameter that a point names, or the place on the path for a point without a name."""
    name = part.strip().rpartition("=")[0].strip() or "path"
    if name not in PARAMETERS:
        raise ConfigError(f"point {part!r}: {name!r} is unknown; use ratios, {', '.join(PARAMETERS)}")
    return PARAMETERS[name]


def _is_ratios(part: str) -> bool:
    return part.strip().startswith("ratios=") or part.count(",") == 2


def _ratios_label(part: str) -> str:
    try:
        shares = check_ratios(tuple(float(share) for share in part.rpartition("=")[2].split(",")))  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        raise ConfigError(f"point {part!r}: {error}; give ratios=F,M,C, such as ratios=0.5,0.4,0.1") from error
    return "ratios=" + ",".join(f"{share:g}" for share in shares)


@lru_cache(maxsize=2)
def _load(model: str, device: str) -> Codec:
    return load(find_model(model), device=device)
