"""Reading files; a file that cannot be read gives an error in one line that names the path."""

import os
import stat
from pathlib import Path

from hvqcgic.bitstream import MAGIC, check_start
from hvqcgic.errors import BitstreamError, PictureError
from hvqcgic.files.messages import reason
from hvqcgic.files.streams import MAX_STREAM_BYTES, name_of, open_input, read_bounded, too_large


def read_stream(path: Path) -> bytes:
    """Read a `.hvq` file, a pipe or standard input; of any other file only the first four bytes are read.

    Raises:
        BitstreamError: it cannot be read, has too many bytes, or does not start as a `.hvq` file. The message names
            the path.
    """
    name = name_of(path)
    try:
        with open_input(path) as file:
            start = b""
            # A pipe may give fewer bytes than asked for.
            while len(start) <= len(MAGIC) and (more := file.read(len(MAGIC) + 1 - len(start))):
                start += more
            check_start(start)
            size = _size_of(file)
            if size is not None and size > MAX_STREAM_BYTES:
                raise too_large(name, size)
            data = read_bounded(file, MAX_STREAM_BYTES, start)
    except OSError as error:
        raise BitstreamError(f"{name}: cannot be read: {reason(error)}") from error
    except BitstreamError as error:
        raise error if str(error).startswith(name) else type(error)(f"{name}: {error}") from error
    if data is None:
        raise too_large(name)
    return data


def _size_of(file: object) -> int | None:
    """Size of an open regular file in bytes; None for all else."""
    try:
        found = os.fstat(file.fileno())  # pyright: ignore[reportAttributeAccessIssue]
    except (AttributeError, OSError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def check_readable_picture(path: Path) -> None:
    """Check that a path is a non-empty file.

    Raises:
        PictureError: it is missing, a folder, empty, or no regular file.
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
