"""Inputs of the commands, and the paths of their results.

Standard library only, so that commands without pictures start at once.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hvqcgic.errors import ConfigError, OutputError
from hvqcgic.files.messages import reason
from hvqcgic.files.streams import STANDARD, STANDARD_OUTPUTS, argument_path, is_pipe

STREAM_SUFFIX = ".hvq"
PICTURE_SUFFIXES = (
    *(".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"),
    *(".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)
"""Suffixes of pictures in a folder; a picture that is named itself may have any suffix."""

LOSSLESS_SUFFIXES = (".png", ".bmp", ".ppm", ".tif", ".tiff")
"""Suffixes of decoded pictures without a second loss."""
QUALITY_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif")
"""Suffixes of decoded pictures with a second lossy compression, of a quality from 1 to 100."""
RESULT_SUFFIXES = (*LOSSLESS_SUFFIXES, ".jp2", *QUALITY_SUFFIXES)
"""Suffixes of decoded pictures."""


@dataclass(frozen=True)
class Inputs:
    """Files that the arguments of a command name.

    Attributes:
        paths: files in the order given, those of a folder by name, each once; they need not exist.
        problems: one message for each folder without usable files.
        many: whether there is more than one argument, or a folder.
    """

    paths: tuple[Path, ...]
    problems: tuple[str, ...]
    many: bool


def find_inputs(arguments: Sequence[str | Path], suffixes: Sequence[str], what: str) -> Inputs:
    """Replace folders by their files, without files of inner folders.

    Args:
        arguments: files and folders.
        suffixes: suffixes of the files of a folder, lower case; hidden files are omitted.
        what: name of these files, in the plural, for messages.
    """
    paths: dict[Path, Path] = {}
    problems = []
    for argument in map(argument_path, arguments):
        found = [argument]
        # Not Path.is_dir, which raises OSError for a name that is too long.
        if os.path.isdir(argument):
            try:
                inside = sorted(argument.iterdir())
            except OSError as error:
                problems.append(f"{argument}: cannot be listed: {reason(error)}")
                continue
            found = [path for path in inside if _wanted(path, suffixes)]
            if not found:
                problems.append(f"{argument}: no {what} in this folder (looked for {', '.join(suffixes)})")
        for path in found:
            paths.setdefault(path.absolute(), path)
    many = len(arguments) > 1 or any(map(os.path.isdir, arguments))
    return Inputs(tuple(paths.values()), tuple(problems), many)


def all_pictures(arguments: Sequence[str | Path]) -> tuple[Path, ...]:
    """Return the pictures of the arguments; every argument must have some.

    Raises:
        ConfigError: there is no picture, or a folder has none.
    """
    found = find_inputs(arguments, PICTURE_SUFFIXES, "pictures")
    if found.problems:
        raise ConfigError("; ".join(found.problems))
    if not found.paths:
        raise ConfigError("no pictures; name pictures, or folders of pictures")
    return found.paths


def _wanted(path: Path, suffixes: Sequence[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.name.startswith(".") and os.path.isfile(path)


def plan_outputs(
    inputs: Inputs, output: str | Path, suffixes: Sequence[str], *, full_names: bool = False
) -> dict[Path, Path]:
    """Choose the output path of each input.

    `output` is a folder if it exists as a folder, ends in a slash, has no suffix, or there may be several inputs.
    Otherwise it is the file for the one input. A result in a folder is `NAME` plus the first of `suffixes`. "-" is
    standard output, `STANDARD`; it and a pipe or device take the one result of any kind.

    Args:
        inputs: from `find_inputs`.
        output: a folder, which need not exist yet, or a file.
        suffixes: allowed suffixes of a result.
        full_names: keep the suffixes of the inputs in the names of results, as in `NAME.jpg.hvq`, and the names of
            their folders if there are several.

    Returns:
        the output path of each input path.

    Raises:
        ConfigError: the output does not fit the inputs, two inputs would have the same output, or an input has no name.
        OutputError: the output's folder cannot be written.
    """
    target = STANDARD if str(output) in STANDARD_OUTPUTS else argument_path(output)
    if is_pipe(target):
        if inputs.many:
            raise ConfigError(f"{output}: takes one result, several results need a folder")
        return dict.fromkeys(inputs.paths, target)
    to_folder = inputs.many or os.path.isdir(target) or not target.suffix or str(output).endswith(("/", os.sep))
    if to_folder and (os.path.isfile(target) or (inputs.many and target.suffix.lower() in suffixes)):
        raise ConfigError(f"{output}: names one file, several results need a folder")
    if not to_folder and target.suffix.lower() not in suffixes:
        raise ConfigError(
            f"{output}: a result ends in {' or '.join(suffixes)}; name it so, or end a folder's name with /"
        )
    _check_folder(target if to_folder else target.parent)
    if not to_folder:
        return dict.fromkeys(inputs.paths, target)
    if STANDARD in inputs.paths:
        raise ConfigError(
            f"standard input has no name for its result in {output}; name the file, NAME{suffixes[0]}, or - for "
            "standard output"
        )
    plan = {path: target / _result_name(inputs, path, suffixes[0], full_names) for path in inputs.paths}
    _check_distinct(plan)
    return plan


def _result_name(inputs: Inputs, path: Path, suffix: str, full_names: bool) -> Path:
    if not full_names:
        return Path(path.stem + suffix)
    folders = {other.absolute().parent for other in inputs.paths}
    return Path(path.absolute().parent.name if len(folders) > 1 else "", path.name + suffix)


def _check_distinct(plan: dict[Path, Path]) -> None:
    sources: dict[str, Path] = {}
    for source, result in plan.items():
        other = sources.setdefault(os.path.normcase(result), source)
        if other is not source:
            raise ConfigError(
                f"{other} and {source} would both be written to {result}; --full-names keeps their suffixes "
                "and folders apart, or do them one at a time with an -o each"
            )


def _check_folder(folder: Path) -> None:
    """Check before any work that a folder can be created or that files can be created in it."""
    existing = folder.absolute()
    while not os.path.exists(existing):
        existing = existing.parent
    if not os.path.isdir(existing):
        raise OutputError(f"{folder}: cannot be a folder, {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: no permission to write there")
