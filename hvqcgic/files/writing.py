"""Writing files whole or not at all, and without overwriting unless requested."""

import errno
import os
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from hvqcgic.errors import BadOutputName, OutputError, OutputExists
from hvqcgic.files.messages import reason
from hvqcgic.files.streams import is_pipe, write_pipe

PART_PREFIX, PART_SUFFIX = ".hvqcgic-", ".part"
"""Names of unfinished files on file systems without unnamed files; hidden, and never taken for a result."""

NAME_ERRORS = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""Errors of one name, where files of other names can be written."""

LEFT_OVER_S = 3600.0
"""Age after which an unfinished file is a leftover of a killed run."""


def check_output(source: Path, result: Path, *, force: bool) -> None:
    """Refuse to overwrite a file, before any work for the result.

    Args:
        source: the input of the result, never overwritten.
        result: the output path.
        force: whether an existing file may be replaced.

    Raises:
        OutputExists: the file exists already.
    """
    if not os.path.lexists(result) or is_pipe(result):
        return
    if os.path.exists(result) and os.path.exists(source) and result.samefile(source):
        raise OutputExists(f"{result}: is the input itself; choose another output")
    if result.is_dir():
        raise OutputExists(f"{result}: is a folder, so no file can have this name")
    if not force:
        raise OutputExists(f"{result}: exists already; --force overwrites it")


def write_atomically(path: Path, data: bytes, *, force: bool = False) -> None:
    """Write a file whole or not at all: it gets its name once it is on the disk. A pipe gets the bytes as they are.

    Args:
        path: of the file; its folder is created if missing.
        data: the whole content.
        force: replace an existing file.

    Raises:
        OutputExists: the file exists, and `force` is not set.
        BadOutputName: its name cannot be that of a file.
        OutputError: it cannot be written; no partial file is left.
        BrokenPipeError: it is a pipe whose reader is gone.
    """
    if is_pipe(path):
        write_pipe(path, data)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _write_unnamed(path, data, force=force):
            _write_renamed(path, data, force=force)
    except FileExistsError as error:
        raise OutputExists(f"{path}: exists already; --force overwrites it") from error
    except OSError as error:
        kind = BadOutputName if error.errno in NAME_ERRORS else OutputError
        raise kind(f"{path}: cannot be written ({len(data)} bytes): {reason(error)}") from error


def _write_unnamed(path: Path, data: bytes, *, force: bool) -> bool:
    """Write an unnamed file and name it once complete, so that a kill leaves nothing; return False if unsupported."""
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is None or (force and os.path.lexists(path)):
        return False
    try:
        handle = os.open(path.parent, unnamed | os.O_WRONLY, 0o666)
    except OSError:
        # Some file systems do not support unnamed files.
        return False
    with os.fdopen(handle, "wb") as file:
        _fill(file, data)
        try:
            # Python's link follows symbolic links only with a folder descriptor, which an absolute path ignores.
            os.link(f"/proc/self/fd/{file.fileno()}", path, src_dir_fd=file.fileno(), follow_symlinks=True)
        except FileExistsError:
            # Another process has written the file meanwhile; `force` decides whether it is replaced.
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
    """Remove unfinished files of killed runs; files that cannot be removed stay."""
    if not os.path.isdir(folder):
        return
    for path in folder.glob(f"{PART_PREFIX}*{PART_SUFFIX}"):
        try:
            if time.time() - path.stat().st_mtime > LEFT_OVER_S:
                path.unlink()
        except OSError:
            continue


def _fill(file: BinaryIO, data: bytes) -> None:
    """Write and wait until the data are on the disk."""
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
