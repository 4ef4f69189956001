"""Options for the bit rate, the quality and the regions of interest."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvqcgic.cli.codec_options import check_targets
from hvqcgic.errors import ConfigError

if TYPE_CHECKING:
    from hvqcgic.rate_control import OperatingPoint, Roi

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def add_rate_options(parser: argparse.ArgumentParser) -> None:
    """Add targets, budgets and the encoder's choices."""
    _add_targets(parser)
    _add_choices(parser)


def _add_targets(parser: argparse.ArgumentParser) -> None:
    rate = parser.add_argument_group("rate (one of these instead of --ratios or --quality)")
    rate.add_argument("--bpp", type=float, metavar="B", help="bits per pixel of each file, within 1 %% or 16 bytes")
    rate.add_argument("--max-bytes", type=_bytes, metavar="N", help="most bytes of each file, such as 12000 or 12kB")
    rate.add_argument(
        "--target", metavar="NAME=VALUE", help="smallest file with a quality: lpips=0.08 (needs LPIPS) or psnr=27"
    )
    rate.add_argument(
        "--budget", type=_bytes, metavar="N", help="bytes of all files together, such as 2MB, allocated at equal slope"
    )
    rate.add_argument("--per-image-max", type=_bytes, metavar="N", help="with --budget: most bytes of each file")
    rate.add_argument(
        "--budget-by",
        choices=("mse", "lpips"),
        default="mse",
        help="with --budget: the distortion to minimise over all files (default: mse; lpips needs LPIPS)",
    )
    rate.add_argument("--clamp", action="store_true", help="use the nearest possible rate or quality if out of range")


def _add_choices(parser: argparse.ArgumentParser) -> None:
    choice = parser.add_argument_group("encoder options (the file format is unchanged)")
    choice.add_argument(
        "--eta",
        type=_eta,
        metavar="E",
        help="weight of an index's bits against its squared distance, 0 for the nearest codes; auto tries three values "
        "for each picture (default: 0.1 with --bpp, --max-bytes and --budget, else 0)",
    )
    choice.add_argument(
        "--refine",
        type=_steps,
        default=0,
        metavar="STEPS",
        help="steps of gradient descent on each picture's features before quantisation: a closer picture at the same "
        "size; takes seconds a step (needs LPIPS; default: 0; 5 gives most of the gain)",
    )
    choice.add_argument(
        "--granularity",
        choices=("auto", "entropy", "rd"),
        default="auto",
        help="rule for fine cells: entropy, information density; rd, decrease of distortion per index; auto, rd with a "
        "model that has a proxy decoder (tiny) and without --ratios and --roi, else entropy (default: auto)",
    )
    choice.add_argument(
        "--roi",
        action="append",
        default=[],
        metavar="MASK_OR_REGION",
        help="finer cells for a region at the same rate: x,y,w,h=weight in pixels, or a grey picture of the same size, "
        "white for the highest weight; may be repeated",
    )


def operating_point(arguments: argparse.Namespace) -> "OperatingPoint":
    """Build the operating point that the options request for each picture, without a budget.

    Raises:
        ConfigError: a value is not allowed, or there are two targets.
        ModelError: there is no such model.
        PictureError: there is no such mask.
    """
    from hvqcgic.model_files import find_model, read_summary
    from hvqcgic.rate_control import ModelSize, check_choices

    def size() -> ModelSize:
        outline = read_summary(find_model(arguments.model)).outline
        return ModelSize(outline.name, outline.codebook_size)

    _check_targets(arguments)
    return check_choices(
        size,
        ratios=arguments.ratios,
        bpp=arguments.bpp,
        max_bytes=arguments.max_bytes,
        target=arguments.target,
        quality=arguments.quality,
        eta=arguments.eta,
        granularity=arguments.granularity,
        refine=arguments.refine,
        roi=tuple(map(_roi, arguments.roi)),
        clamp=arguments.clamp,
    )


def _roi(text: str) -> "Roi":
    """A region, or the path of a mask that is there."""
    from hvqcgic.files import check_readable_picture, is_pipe
    from hvqcgic.rate_control import parse_roi

    roi = parse_roi(text)
    if isinstance(roi, Path) and not is_pipe(roi):
        check_readable_picture(roi)
    return roi


def _check_targets(arguments: argparse.Namespace) -> None:
    given = check_targets(arguments, "ratios", "quality", "bpp", "max_bytes", "target", "budget")
    if arguments.per_image_max is not None and arguments.budget is None:
        raise ConfigError("--per-image-max belongs to --budget; give --max-bytes to limit each file without one")
    if arguments.eta == "auto" and not {"--bpp", "--max-bytes"} & set(given):
        raise ConfigError("--eta auto compares files of one size; give --bpp or --max-bytes, or a number for --eta")
    if arguments.budget is not None:
        from hvqcgic.rate_control import check_budget

        check_budget(arguments.budget, arguments.per_image_max, arguments.budget_by)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([a-z]*)", text.strip().lower())
    try:
        if not found:
            raise ValueError
        return int(float(found[1]) * _UNITS[found[2]])
    except (ValueError, KeyError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes, such as 12000, 12kB or 2MB") from None


def _steps(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of steps, such as 10")
    return int(text)


def _eta(text: str) -> Any:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, or auto") from None
