"""Formats of decoded pictures: `--format` and `--quality`."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from hvqcgic.cli.codec_options import positive
from hvqcgic.errors import ConfigError
from hvqcgic.files import QUALITY_SUFFIXES, RESULT_SUFFIXES, is_pipe


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Add `--format` and `--quality`."""
    parser.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in RESULT_SUFFIXES],
        metavar="NAME",
        help="format of the pictures in a folder or on standard output: png, bmp, ppm, tif, jp2, jpg, webp or avif "
        "(default: png, or by the suffix of the output)",
    )
    parser.add_argument(
        "--quality",
        type=_quality,
        metavar="Q",
        help="quality of jpg, webp and avif, 1 to 100, which lose a second time (default: 95); the others lose nothing",
    )


def _quality(text: str) -> int:
    try:
        number = positive(text)
    except argparse.ArgumentTypeError:
        number = 0
    if not 1 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 100")
    return number


def result_suffixes(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Suffixes that a result may have; the first is that of results in a folder."""
    first = (f".{arguments.format}",) if arguments.format else ()
    return first + tuple(suffix for suffix in RESULT_SUFFIXES if suffix not in first)


def format_of(arguments: argparse.Namespace, output: Path) -> str:
    """Suffix of the format of a result, whose own suffix may say nothing if it is a pipe."""
    suffix = output.suffix.lower()
    if arguments.format and is_pipe(output):
        return f".{arguments.format}"
    return suffix if suffix in RESULT_SUFFIXES else result_suffixes(arguments)[0]


def check_format(arguments: argparse.Namespace, outputs: Iterable[Path]) -> None:
    """Raise `ConfigError` if `--format` contradicts a file's name, or `--quality` is for a format without loss."""
    for output in outputs:
        suffix = format_of(arguments, output)
        if arguments.format and suffix != f".{arguments.format}":
            raise ConfigError(f"{output}: --format {arguments.format} contradicts its name; leave one of them out")
        if arguments.quality is not None and suffix not in QUALITY_SUFFIXES:
            known = ", ".join(suffix[1:] for suffix in QUALITY_SUFFIXES)
            raise ConfigError(f"--quality {arguments.quality} is for {known}; {suffix[1:]} loses nothing, leave it out")
