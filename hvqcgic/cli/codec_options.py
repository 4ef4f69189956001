"""Options that select the codec, shared by the commands that code pictures."""

import argparse
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from hvqcgic.bitstream import CELL_PX
from hvqcgic.errors import ConfigError

if TYPE_CHECKING:
    from hvqcgic.codec import Codec
    from hvqcgic.files import Inputs

DEFAULT_MODEL = "tiny"

Ratios = tuple[float, float, float]
_TARGETS = ("quality", "bpp", "max_bytes", "target", "budget", "per_image_max")


def add_codec_options(parser: argparse.ArgumentParser, *, default_model: str | None, model_help: str) -> None:
    """Add `--model`, `--device`, `--threads`, `--tile` and `--precision`."""
    parser.add_argument("--model", metavar="NAME_OR_FILE", default=default_model, help=model_help)
    parser.add_argument(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="device of the picture networks: auto (a GPU if there is one), cpu, cuda, cuda:1 ... (default: auto)",
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="CPU threads to use (default: as many as PyTorch chooses)"
    )
    parser.add_argument(
        "--tile",
        type=_tile,
        default="auto",
        metavar="auto|N",
        help="side in pixels of the largest part of a picture that the networks process at once; a smaller part needs "
        "less memory and more time, with the same result (default: auto, which cuts pictures above 5 megapixels)",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="of the picture networks; a file's picture differs by some 0.1 of 255 between both, and about one index "
        "of a hundred is chosen otherwise, at equal size and quality (default: auto, which is bfloat16 on processors "
        "that multiply it, where it is faster)",
    )


def add_encoder_options(parser: argparse.ArgumentParser) -> None:
    """Add the pictures, the options of `add_codec_options`, `--ratios` and `--quality`."""
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="pictures, or folders of pictures; - for standard input"
    )
    add_codec_options(
        parser,
        default_model=DEFAULT_MODEL,
        model_help=f"a bundled model (see hvqcgic models) or a model file (default: {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--ratios",
        type=_ratios,
        metavar="F,M,C",
        help="shares of the picture's area in fine (4 x 4 px), medium (8 x 8 px) and coarse (16 x 16 px) cells, sum "
        "1; more fine cells give a better picture and a larger file (default: the model's, 0.5,0.4,0.1 for tiny)",
    )
    parser.add_argument(
        "-q",
        "--quality",
        type=_quality,
        metavar="Q",
        help="ratios by one number from 0 (all cells coarse) to 100 (all fine): more is better and larger",
    )


def positive(text: str) -> int:
    """Parse a whole number above 0, as an option's value."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _tile(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        side = positive(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto or a whole number of pixels, such as 1024") from None
    if side < CELL_PX["coarse"]:
        raise argparse.ArgumentTypeError(f"{side} is no size; give a whole number from {CELL_PX['coarse']} on, or auto")
    return side


def _ratios(text: str) -> Ratios:
    try:
        fine, medium, coarse = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers F,M,C, such as 0.5,0.4,0.1") from None
    return fine, medium, coarse


def _quality(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 100") from None
    return int(number) if number.is_integer() else number


def check_options(arguments: argparse.Namespace) -> None:
    """Check the options that apply to every picture, before the first picture.

    Raises:
        ModelError: there is no such model.
        ConfigError: the ratios are not shares that sum to 1, the quality is none of 0 to 100, or both are given.
    """
    from hvqcgic.model_files import find_model

    if arguments.model is not None:
        find_model(arguments.model)
    if hasattr(arguments, "ratios"):
        check_targets(arguments, "ratios", "quality")
        from hvqcgic.rate_control import OperatingPoint

        OperatingPoint(ratios=arguments.ratios, quality=arguments.quality)


def check_targets(arguments: argparse.Namespace, *names: str) -> list[str]:
    """Return the options of these names that are given.

    Raises:
        ConfigError: there are several.
    """
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name) is not None]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are two targets; give one of them")
    return given


def load_codec(arguments: argparse.Namespace, model: str) -> "Codec":
    """Load a model for the device, threads and tiles in the arguments.

    Raises:
        ModelError: the model's file is damaged.
        ConfigError: there is no such device, or the tiles are too small.
    """
    from hvqcgic.model_files import find_model, read_summary

    read_summary(find_model(model))  # a file that is no model is refused before the imports that take longer
    import torch

    from hvqcgic.codec import load

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    return load(model, device=arguments.device, tile=arguments.tile, precision=arguments.precision)


@dataclass
class EncoderJob:
    """Settings and codec of one call of a command that encodes pictures; each worker process gets a copy."""

    arguments: argparse.Namespace

    @cached_property
    def codec(self) -> "Codec":
        """The codec, loaded when the first readable picture is found."""
        return load_codec(self.arguments, self.arguments.model)

    def asked(self) -> dict[str, Any]:
        """The requested bit rate, size, quality or ratios, for programs."""
        targets = {name: value for name in _TARGETS if (value := getattr(self.arguments, name, None)) is not None}
        return targets or {"ratios": list(self.arguments.ratios or self.codec.config.default_ratios)}


def find_pictures(arguments: argparse.Namespace) -> "Inputs":
    """Check the options that apply to every picture, then return the named pictures.

    Raises:
        HvqcgicError: there are no pictures, or `check_options` refuses the options.
    """
    from hvqcgic.files import PICTURE_SUFFIXES, find_inputs
    from hvqcgic.model_files import check_offered, find_model

    inputs = find_inputs(arguments.inputs, PICTURE_SUFFIXES, "pictures")
    check_options(arguments)
    check_offered(find_model(arguments.model))
    return inputs
