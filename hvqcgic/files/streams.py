"""Standard input and output, pipes and devices: their bytes come once, without a size, and are not renamed into place.

Standard library only. `STANDARD` stands for standard input among inputs and for standard output among results.
"""

import io
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from hvqcgic.errors import BitstreamError, ConfigError, OutputError, PictureError
from hvqcgic.files.messages import reason

STANDARD = Path("-")
STANDARD_OUTPUTS = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
"""Names of standard output on a command line."""
DESCRIPTORS = (Path("/dev/fd"), Path("/proc/self/fd"))
MAX_STREAM_BYTES = 1 << 28
"""Largest accepted `.hvq` file; that of the largest picture, with the costliest indices, has about half as many."""
MAX_PIPED_PICTURE_BYTES = 1 << 30
"""Most bytes of a picture that comes through a pipe and is held in memory."""
CHUNK_BYTES = 1 << 20


def is_pipe(path: Path) -> bool:
    """Whether a path is a pipe, a device or an open descriptor, whose bytes come or go once; False if it is missing."""
    if path == STANDARD or path.parent in DESCRIPTORS:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def argument_path(argument: str | Path) -> Path:
    """Return the path of an input named on a command line: `STANDARD` for "-", never for a file of that name.

    Raises:
        ConfigError: it is empty, which would be the working folder.
    """
    if not str(argument):
        raise ConfigError(
            "'' names nothing, perhaps an empty variable; name a file or folder, . for the working folder"
        )
    path = Path(argument)
    return path.absolute() if path == STANDARD and str(argument) != "-" else path


def name_of(path: Path, *, result: bool = False) -> str:
    """Name of an input, or of a result, in messages."""
    if path != STANDARD:
        return str(path)
    return "standard output" if result else "standard input"


def read_bounded(file: BinaryIO, limit: int, start: bytes = b"") -> bytes | None:
    """Read a file to its end; return None if it has more than `limit` bytes, which are not kept.

    Args:
        file: binary, at any position.
        limit: most bytes, those of `start` included.
        start: bytes that have been read from it before.
    """
    data = bytearray(start)
    while len(data) <= limit:
        chunk = file.read(min(CHUNK_BYTES, limit + 1 - len(data)))
        if not chunk:
            return bytes(data)
        data += chunk
    return None


def read_piped_picture(path: Path) -> bytes:
    """Read a picture from standard input, a pipe or a device.

    Raises:
        PictureError: it cannot be read, is empty, or has too many bytes.
    """
    try:
        with open_input(path) as file:
            data = read_bounded(file, MAX_PIPED_PICTURE_BYTES)
    except OSError as error:
        raise PictureError(f"{name_of(path)}: cannot be read: {reason(error)}") from error
    if data is None:
        raise PictureError(f"{name_of(path)}: more than {MAX_PIPED_PICTURE_BYTES} bytes; save the picture to a file")
    if not data:
        raise PictureError(f"{name_of(path)}: is empty: 0 bytes")
    return data


def open_input(path: Path) -> BinaryIO:
    """Open a file, or standard input, which stays open when the result is closed.

    Raises:
        OSError: it cannot be opened, or standard input is closed.
    """
    if path != STANDARD:
        return path.open("rb")
    if sys.stdin is None:
        raise OSError("it is closed")
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except io.UnsupportedOperation:
        # A program that calls the command in its own process may have put another object in place of standard input.
        return io.BytesIO(sys.stdin.buffer.read())


def write_pipe(path: Path, data: bytes) -> None:
    """Write to a pipe or a device.

    Raises:
        BrokenPipeError: its reader is gone.
        OutputError: it cannot be written.
    """
    try:
        with path.open("wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({len(data)} bytes): {reason(error)}") from error


def too_large(name: str, n_bytes: int | None = None) -> BitstreamError:
    """The error for a `.hvq` file above MAX_STREAM_BYTES."""
    size = f"{n_bytes} bytes" if n_bytes is not None else f"more than {MAX_STREAM_BYTES} bytes"
    return BitstreamError(f"{name}: {size}: a .hvq file has at most {MAX_STREAM_BYTES}; this is none, or is damaged")
