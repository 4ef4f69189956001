"""Tar shards of pictures in WebDataset's format: on a disk, on a web server, or written by a command.

A place is a path, an address (`http://HOST/train-000.tar`), or `pipe:` and a shell command
(`pipe:aws s3 cp s3://BUCKET/train-000.tar -`). The optional index of a shard has the shard's name with `.json`
appended. It holds names, size and SHA-256, so that the pictures of a remote shard are known before it is fetched.
`tools/make_shards.py` writes shards and indices.
"""

from __future__ import annotations

import glob
import io
import json
import re
import signal
import tarfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvqcgic.errors import ConfigError, HvqcgicError, PictureError
from hvqcgic.files import PICTURE_SUFFIXES, one_line, reason
from hvqcgic.pictures.reading import read_picture
from hvqcgic.schema import parse_json

INDEX_SUFFIX = ".json"

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_TAR = re.compile(r"([^/\s'\"?&=]+)\.tar(?:\.gz|\.bz2|\.xz)?(?![\w.])")
_REST_BYTES = 2**20
# Exit codes of a command whose output was not read to its end: signal, the shell's code for the signal, curl's code.
_NOT_READ_ON = (-signal.SIGPIPE, 128 + signal.SIGPIPE, 23)
_CURL_REASONS = {
    6: "its host is unknown",
    7: "nothing answers there",
    18: "it broke off",
    22: "the server has no such file, or refuses it",
    28: "it took too long",
}


@dataclass(frozen=True)
class Member:
    """A file of a shard."""

    name: str
    data: bytes


@dataclass(frozen=True)
class ShardIndex:
    """The facts about a shard in its index.

    Attributes:
        names: of its pictures, in their order.
        n_bytes: size of the tar file.
        sha256: of the tar file.
        source: hash of its source files, see `tools/make_shards.py`; "" without source files.
        skipped: reasons for omitted files, by name.
    """

    names: tuple[str, ...]
    n_bytes: int
    sha256: str
    source: str = ""
    skipped: dict[str, str] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return the index as JSON."""
        return (json.dumps(asdict(self), indent=1) + "\n").encode()


def is_address(place: str) -> bool:
    """Whether a place is an address or a command, not a path."""
    return _ADDRESS.match(place) is not None


def shard_name(place: str) -> str:
    """File name of a shard without its suffix: `train-000` for `pipe:aws s3 cp s3://any/train-000.tar -`."""
    found = _TAR.findall(place)
    return found[-1] if found else re.sub(r"[^\w.-]+", "-", place).strip("-.")


def is_picture(name: str) -> bool:
    """Whether a file name is that of a picture."""
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def expand(pattern: str) -> list[str]:
    """Expand a pattern with braces and, for paths, wildcards to sorted places; a plain place stays as it is.

    Raises:
        ConfigError: there is no such file, or the braces are no pattern.
    """
    from webdataset.shardlists import expand_urls

    try:
        parts = expand_urls(pattern) if "{" in pattern else [pattern]
    except ValueError as error:
        raise ConfigError(
            f"{pattern}: the braces are no pattern ({error}); write it as train-{{000..099}}.tar"
        ) from error
    if is_address(pattern):
        return list(dict.fromkeys(parts))
    found: set[str] = set()
    for part in parts:
        matches = glob.glob(part)
        if not matches:
            raise ConfigError(f"{part}: no such file or folder; give a folder with pictures or tar files")
        found.update(matches)
    return sorted(found)


def read_index(place: str) -> ShardIndex | None:
    """Read the index of a shard; None if there is none.

    Raises:
        ConfigError: it is damaged, or does not fit the shard.
    """
    found = list(_TAR.finditer(place))
    if not found:
        return None
    text = place[: found[-1].end()] + INDEX_SUFFIX + place[found[-1].end() :]
    if not is_address(place) and not Path(text).is_file():
        return None
    try:
        with _opened(text) as file:
            data = file.read()
    except ConfigError:
        # If the shard is also unreachable, the error comes when the shard is read.
        return None
    index = parse_index(data, text)
    if not is_address(place) and (size := Path(place).stat().st_size) != index.n_bytes:
        raise ConfigError(
            f"{place}: has {size} bytes, and {index.n_bytes} by its index; copy it again, or delete {text}"
        )
    return index


def parse_index(data: bytes, name: str) -> ShardIndex:
    """Parse an index from JSON.

    Raises:
        ConfigError: it is damaged; the message contains `name`.
    """
    try:
        value: dict[str, Any] = parse_json(data, name)
        return ShardIndex(tuple(value.pop("names")), **value)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{name}: damaged index of a shard; delete it, or make the shard again") from error


def list_pictures(place: str) -> tuple[str, ...]:
    """Names of the pictures in a shard, from the shard itself; a remote shard is read for this.

    Raises:
        ConfigError: it cannot be read, or is no complete tar file.
    """
    if is_address(place):
        return tuple(member.name for member in read_members(place))
    with _opened(place) as file, tarfile.open(fileobj=file) as tar:
        names = [member.name for member in tar if member.isreg()]
    return tuple(filter(is_picture, names))


def read_members(place: str, wanted: Callable[[str], bool] = is_picture) -> Generator[Member, None, None]:
    """Yield the files of a shard one after the other.

    Args:
        place: of the shard.
        wanted: selects files by name; by default all pictures.
    Raises:
        ConfigError: it cannot be read, or is no complete tar file.
    """
    from webdataset.tariterators import tar_file_iterator

    with _opened(place) as file:
        for found in tar_file_iterator(file, select_files=wanted):  # pyright: ignore[reportArgumentType]
            yield Member(found["fname"], found["data"])


def decode(data: bytes) -> NDArray[np.uint8]:
    """Decode a picture from the bytes of its file, as `read_picture` does.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        image = Image.open(io.BytesIO(data))
    except Exception as error:  # Pillow's readers may raise almost any exception for damaged headers
        raise PictureError("not a picture that Pillow can read") from error
    with image:
        try:
            return read_picture(image)
        except PictureError as error:
            raise PictureError(str(error).removeprefix("picture: ")) from error


def pack_tar(members: Iterable[Member]) -> bytes:
    """Build a tar file that depends on names and contents only."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.size = len(member.data)
            tar.addfile(info, io.BytesIO(member.data))
    return buffer.getvalue()


@contextmanager
def _opened(place: str) -> Iterator[BinaryIO]:
    """Open a place for reading; every error until it is closed becomes a ConfigError that names the place."""
    file = _open(place)
    try:
        yield file
        # Read to the end, past the padding of the tar file, or the command would fail on a closed pipe.
        while file.read(_REST_BYTES):
            pass
    except HvqcgicError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError) as error:  # the last two: absurd sizes
        _check_end(file, place)
        raise ConfigError(f"{place}: broken tar file ({one_line([error])}); copy it again or leave it out") from error
    except OSError as error:
        raise ConfigError(f"{place}: cannot be read: {one_line([reason(error)])}; check the path") from error
    else:
        _check_end(file, place)
    finally:
        with suppress(OSError):
            file.close()


def _open(place: str) -> Any:
    from webdataset.gopen import Pipe, gopen

    try:
        if not is_address(place):
            return Path(place).open("rb")
        file = gopen(place)
    except OSError as error:
        raise ConfigError(f"{place}: cannot be read: {one_line([reason(error)])}; check the path") from error
    except ValueError as error:
        raise ConfigError(
            f"{place}: nothing is known to fetch that with; give a path, http(s)://..., or a command that writes it, "
            "such as pipe:aws s3 cp s3://BUCKET/NAME.tar -"
        ) from error
    if isinstance(file, Pipe):
        # webdataset's message is a list of arguments; `_check_end` gives a readable one.
        file.ignore_errors = True
    return file


def _check_end(file: Any, place: str) -> None:
    """Close a file; raise an error if the command that wrote it has failed."""
    file.close()
    code = getattr(file, "status", 0)
    if not code or code in _NOT_READ_ON:
        return
    why = f"the command ended with exit code {code}"
    if not place.startswith("pipe:"):
        why = _CURL_REASONS.get(code, f"curl ended with exit code {code}")
    raise ConfigError(f"{place}: cannot be fetched: {why}; check the address")
