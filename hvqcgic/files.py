"""Inputs and outputs of the commands: which files, under what name, and written whole or not at all.

Standard library only: the commands that need no picture must start at once.
"""

import errno
import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hvqcgic.bitstream.container import MAGIC, check_start
from hvqcgic.errors import BitstreamError, ConfigError, OutputError, OutputExists, PictureError

STREAM_SUFFIX = ".hvq"
PICTURE_SUFFIXES = (
    *(".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"),
    *(".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)
"""What counts as a picture in a folder; a picture that is named itself may be called anything."""

LOSSLESS_SUFFIXES = (".png", ".bmp", ".ppm", ".tif", ".tiff")
"""What a decoded picture is written as: nothing that would compress it a second time with loss."""


PART_PREFIX, PART_SUFFIX = ".hvqcgic-", ".part"
"""Of files that are being written, where a file system has no unnamed ones; hidden, and never taken for a result."""

LEFT_OVER_S = 3600.0
"""Age from which on such a file is no longer being written, but was left behind by a kill."""


@dataclass(frozen=True)
class Inputs:
    """What the arguments of a command stand for.

    Attributes:
        paths: files in the order given, those of a folder by name, each once; they need not exist.
        problems: one message for each folder that holds nothing to work on.
        many: more than one argument was given, or a folder.
    """

    paths: tuple[Path, ...]
    problems: tuple[str, ...]
    many: bool


def find_inputs(arguments: Sequence[str | Path], suffixes: Sequence[str], what: str) -> Inputs:
    """Replace folders by the files in them, not looking into folders within.

    Args:
        arguments: files and folders.
        suffixes: which files of a folder to take, lower case; hidden files are left out.
        what: what these files are, in the plural, for messages.
    """
    paths: dict[Path, Path] = {}
    problems = []
    for argument in map(Path, arguments):
        found = [argument]
        if argument.is_dir():
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
    many = len(arguments) > 1 or any(Path(argument).is_dir() for argument in arguments)
    return Inputs(tuple(paths.values()), tuple(problems), many)


def _wanted(path: Path, suffixes: Sequence[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()


def plan_outputs(inputs: Inputs, output: str | Path, suffixes: Sequence[str]) -> dict[Path, Path]:
    """Decide where the result of each input goes.

    `output` is a folder if it is one already, ends in a slash, has no suffix, or there may be several inputs;
    otherwise it is the file for the one input. A folder gets `NAME` plus the first of `suffixes` for each.

    Args:
        inputs: from `find_inputs`.
        output: a folder, which need not exist yet, or a file.
        suffixes: what a result may end in.

    Returns:
        the output path of each input path.

    Raises:
        ConfigError: the output cannot be what the inputs ask for, or two inputs would have the same output.
        OutputError: the output's folder cannot be written to.
    """
    target = Path(output)
    to_folder = inputs.many or target.is_dir() or not target.suffix or str(output).endswith(("/", os.sep))
    if to_folder and (target.is_file() or (inputs.many and target.suffix.lower() in suffixes)):
        raise ConfigError(f"{output}: names one file, several results need a folder")
    if not to_folder and target.suffix.lower() not in suffixes:
        raise ConfigError(
            f"{output}: a result ends in {' or '.join(suffixes)}; name it so, or end a folder's name with /"
        )
    _check_folder(target if to_folder else target.parent)
    if not to_folder:
        return dict.fromkeys(inputs.paths, target)
    plan = {path: target / (path.stem + suffixes[0]) for path in inputs.paths}
    _check_distinct(plan)
    return plan


def _check_distinct(plan: dict[Path, Path]) -> None:
    sources: dict[str, Path] = {}
    for source, result in plan.items():
        other = sources.setdefault(os.path.normcase(result), source)
        if other is not source:
            raise ConfigError(f"{other} and {source} would both be written to {result}: do them one at a time")


def _check_folder(folder: Path) -> None:
    """Check, before any work is done, that files can be made in a folder or that it can be made."""
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise OutputError(f"{folder}: cannot be a folder, {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: no permission to write there")


def check_output(source: Path, result: Path, *, force: bool) -> None:
    """Refuse to overwrite, before any work is done for a result.

    Args:
        source: the input it is made from, never overwritten.
        result: where it is to go.
        force: whether a file may be replaced.

    Raises:
        OutputExists: there is something already.
    """
    if not os.path.lexists(result):
        return
    if result.exists() and source.exists() and result.samefile(source):
        raise OutputExists(f"{result}: is the input itself; choose another output")
    if result.is_dir():
        raise OutputExists(f"{result}: is a folder, so no file can have this name")
    if not force:
        raise OutputExists(f"{result}: exists already; --force overwrites it")


def write_atomically(path: Path, data: bytes, *, force: bool = False) -> None:
    """Write a file whole or not at all: under another name first, renamed once it is on the disk.

    Args:
        path: where to; its folder is made if need be.
        data: the whole content.
        force: replace a file that is there already.

    Raises:
        OutputExists: there is one, and `force` is not set.
        OutputError: it cannot be written; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _write_unnamed(path, data, force=force):
            _write_renamed(path, data, force=force)
    except FileExistsError as error:
        raise OutputExists(f"{path}: exists already; --force overwrites it") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({len(data)} bytes): {reason(error)}") from error


def _write_unnamed(path: Path, data: bytes, *, force: bool) -> bool:
    """Write a file that gets its name only once it is whole: a kill leaves nothing. False where that cannot be done."""
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is None or (force and os.path.lexists(path)):
        return False
    try:
        handle = os.open(path.parent, unnamed | os.O_WRONLY, 0o666)
    except OSError:
        # Some file systems have no unnamed files.
        return False
    with os.fdopen(handle, "wb") as file:
        _fill(file, data)
        try:
            # Only with a folder, which an absolute path leaves unused, does Python's link follow symbolic links.
            os.link(f"/proc/self/fd/{file.fileno()}", path, src_dir_fd=file.fileno(), follow_symlinks=True)
        except FileExistsError:
            # Another process was faster: what it wrote may be replaced, or not.
            if force:
                return False
            raise
        except OSError:
            return False
    return True


def _write_renamed(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file under another name and rename it."""
    handle, name = tempfile.mkstemp(prefix=PART_PREFIX, suffix=PART_SUFFIX, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            _fill(file, data)
        os.chmod(name, 0o666 & ~_umask())
        if not force and os.path.lexists(path):
            raise FileExistsError(path)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def remove_left_overs(folder: Path) -> None:
    """Remove what runs that were killed left of unfinished files; what cannot be removed stays."""
    for path in folder.glob(f"{PART_PREFIX}*{PART_SUFFIX}"):
        try:
            if time.time() - path.stat().st_mtime > LEFT_OVER_S:
                path.unlink()
        except OSError:
            continue


def _fill(file: BinaryIO, data: bytes) -> None:
    """Write and wait until it is on the disk."""
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def read_stream(path: Path) -> bytes:
    """Read a `.hvq` file; of any other file no more than its first four bytes.

    Raises:
        BitstreamError: it cannot be read, or does not start as a stream does. The message names the path.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC) + 1)
            check_start(start)
            return start + file.read()
    except OSError as error:
        raise BitstreamError(f"{path}: cannot be read: {reason(error)}") from error
    except BitstreamError as error:
        raise type(error)(f"{path}: {error}") from error


def check_readable_picture(path: Path) -> None:
    """Check that a path is a file with something in it.

    Raises:
        PictureError: it is missing, a folder, empty, or something else that holds no picture.
    """
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise PictureError(f"{path}: cannot be read: {reason(error)}") from error
    if path.is_dir():
        raise PictureError(f"{path}: is a folder, not a picture")
    if not path.is_file():
        raise PictureError(f"{path}: is not a regular file; save the picture to one first")
    if size == 0:
        raise PictureError(f"{path}: the file is empty: 0 bytes")


REASONS = {
    errno.ENOENT: "there is no such file",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "the disk is read-only",
    errno.ENOSPC: "no space left on the disk; free some and try again",
    errno.EDQUOT: "the disk quota is used up; free some space and try again",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EFBIG: "it is larger than the system allows",
    errno.ENAMETOOLONG: "its name is too long",
}


def reason(error: Exception) -> str:
    """Why something failed, in words, without the path that the message names already."""
    number = getattr(error, "errno", None) or 0
    return REASONS.get(number) or getattr(error, "strerror", None) or str(error) or type(error).__name__


def one_line(parts: Iterable[object]) -> str:
    """Join parts to one line, whatever line breaks a file name or a foreign message holds."""
    return " ".join(" ".join(str(part).split()) for part in parts)
