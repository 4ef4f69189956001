"""Tar shards of pictures in WebDataset's manner: on a disk, on a web server, or what a command writes.

A place is a path, an address (`http://HOST/train-000.tar`), or `pipe:` and a shell command
(`pipe:aws s3 cp s3://BUCKET/train-000.tar -`). Beside a shard lies its index, where it has one, under its own name and
`.json`: names, size and SHA-256, so that the pictures of a far shard are known before it is fetched.
`tools/make_shards.py` writes both.
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
from PIL import Image

from hvqcgic.errors import ConfigError, PictureError
from hvqcgic.files import PICTURE_SUFFIXES, one_line, reason
from hvqcgic.pictures.reading import read_picture

INDEX_SUFFIX = ".json"

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_TAR = re.compile(r"([^/\s'\"?&=]+)\.tar(?:\.gz|\.bz2|\.xz)?(?![\w.])")
_REST_BYTES = 2**20
# Exit codes of a command whose output was not read to its end: by the signal, as a shell tells it, as curl does.
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
    """What is known of a shard without reading it.

    Attributes:
        names: of its pictures, in their order.
        n_bytes: size of the tar file.
        sha256: of the tar file.
        source: of the files that it was made from, see `tools/make_shards.py`; "" where it was not made from any.
        skipped: why files were left out, by name.
    """

    names: tuple[str, ...]
    n_bytes: int
    sha256: str
    source: str = ""
    skipped: dict[str, str] = field(default_factory=dict)

    def pack(self) -> bytes:
        """As JSON."""
        return (json.dumps(asdict(self), indent=1) + "\n").encode()


def is_address(place: str) -> bool:
    """Whether a place is an address or a command, not a path."""
    return _ADDRESS.match(place) is not None


def shard_name(place: str) -> str:
    """The file name of a shard without its suffix: `train-000` of `pipe:aws s3 cp s3://any/train-000.tar -`."""
    found = _TAR.findall(place)
    return found[-1] if found else re.sub(r"[^\w.-]+", "-", place).strip("-.")


def is_picture(name: str) -> bool:
    """Whether a file name is that of a picture."""
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def expand(pattern: str) -> list[str]:
    """Places of a pattern with braces and, of paths, wildcards, sorted; a plain place stands for itself.

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
    """The index beside a shard, None where there is none.

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
        # Should the shard be out of reach, too, that is said when it is read.
        return None
    index = parse_index(data, text)
    if not is_address(place) and (size := Path(place).stat().st_size) != index.n_bytes:
        raise ConfigError(
            f"{place}: has {size} bytes, and {index.n_bytes} by its index; copy it again, or delete {text}"
        )
    return index


def parse_index(data: bytes, name: str) -> ShardIndex:
    """An index from its JSON.

    Raises:
        ConfigError: it is damaged; the message has its name.
    """
    try:
        value: dict[str, Any] = json.loads(data)
        return ShardIndex(tuple(value.pop("names")), **value)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{name}: damaged index of a shard; delete it, or make the shard again") from error


def list_pictures(place: str) -> tuple[str, ...]:
    """Names of the pictures in a shard, from the shard itself; of one that is far, it is read for that.

    Raises:
        ConfigError: it cannot be read, or is no whole tar file.
    """
    if is_address(place):
        return tuple(member.name for member in read_members(place))
    with _opened(place) as file, tarfile.open(fileobj=file) as tar:
        names = [member.name for member in tar if member.isreg()]
    return tuple(filter(is_picture, names))


def read_members(place: str, wanted: Callable[[str], bool] = is_picture) -> Generator[Member, None, None]:
    """Files of a shard, one after the other as they come.

    Args:
        place: of the shard.
        wanted: says by its name whether a file is; by default pictures are.
    Raises:
        ConfigError: it cannot be read, or is no whole tar file.
    """
    from webdataset.tariterators import tar_file_iterator

    with _opened(place) as file:
        for found in tar_file_iterator(file, select_files=wanted):  # pyright: ignore[reportArgumentType]
            yield Member(found["fname"], found["data"])


def decode(data: bytes) -> np.ndarray:
    """The picture in a file's bytes, as of `read_picture`.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        image = Image.open(io.BytesIO(data))
    except Exception as error:  # damaged headers make Pillow's readers raise almost anything
        raise PictureError("not a picture that Pillow can read") from error
    with image:
        try:
            return read_picture(image)
        except PictureError as error:
            raise PictureError(str(error).removeprefix("picture: ")) from error


def pack_tar(members: Iterable[Member]) -> bytes:
    """A tar file; it depends on names and contents alone."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.size = len(member.data)
            tar.addfile(info, io.BytesIO(member.data))
    return buffer.getvalue()


@contextmanager
def _opened(place: str) -> Iterator[BinaryIO]:
    """What is at a place; all that may go wrong while it is read becomes a ConfigError that names the place."""
    file = _open(place)
    try:
        yield file
        # A command that writes into nothing would fail; a tar file ends before its padding does.
        while file.read(_REST_BYTES):
            pass
    except (tarfile.TarError, EOFError, zlib.error) as error:
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
        # Its own message is a list of arguments; `_check_end` tells in words.
        file.ignore_errors = True
    return file


def _check_end(file: Any, place: str) -> None:
    """Close a file; raise what the command that wrote it has failed with."""
    file.close()
    code = getattr(file, "status", 0)
    if not code or code in _NOT_READ_ON:
        return
    why = f"the command ended with exit code {code}"
    if not place.startswith("pipe:"):
        why = _CURL_REASONS.get(code, f"curl ended with exit code {code}")
    raise ConfigError(f"{place}: cannot be fetched: {why}; check the address")
