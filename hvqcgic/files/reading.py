"""Reading files; a file that cannot be read gives an error in one line that names the path."""

from pathlib import Path

from hvqcgic.bitstream import MAGIC, check_start
from hvqcgic.errors import BitstreamError, PictureError
from hvqcgic.files.messages import reason


def read_stream(path: Path) -> bytes:
    """Read a `.hvq` file; of any other file only the first four bytes are read.

    Raises:
        BitstreamError: it cannot be read, or does not start as a `.hvq` file. The message names the path.
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
