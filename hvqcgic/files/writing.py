"""Files that are written whole or not at all, and never over another one unasked."""

import os
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from hvqcgic.errors import OutputError, OutputExists
from hvqcgic.files.messages import reason

PART_PREFIX, PART_SUFFIX = ".hvqcgic-", ".part"
"""Of files that are being written, where a file system has no unnamed ones; hidden, and never taken for a result."""

LEFT_OVER_S = 3600.0
"""Age from which on such a file is no longer being written, but was left behind by a kill."""


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
