"""Indices of shards: writing and verification, for `tools/make_shards.py`."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

from hvqcgic.cli import complain, progress_bar
from hvqcgic.errors import ConfigError, PictureError
from hvqcgic.files import reason, write_atomically
from hvqcgic.pictures import INDEX_SUFFIX, ShardIndex, decode, list_pictures, parse_index, read_members

ALL = "index.json"
"""File name of the index over all shards of a folder: counts, sizes and checksums."""


def check(data: bytes) -> None:
    """Decode a picture.

    Raises:
        PictureError: it cannot be decoded.
    """
    with warnings.catch_warnings():
        # Warnings about transparency and animation matter to users of the picture, not here.
        warnings.simplefilter("ignore")
        decode(data)


def verify(folder: Path) -> int:
    """Compare the shards of a folder with their indices, picture by picture; return the exit code.

    Raises:
        ConfigError: the folder has no index over all, or it is damaged.
    """
    try:
        shards = json.loads((folder / ALL).read_text(encoding="utf-8"))["shards"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder / ALL}: no index of shards there ({reason(error)}); make the shards first"
        ) from error
    wrong = 0
    with progress_bar("verify", len(shards)) as advance:
        for name in shards:
            for problem in problems_of(folder / name):
                complain(problem)
                wrong += 1
            advance(name)
    print(f"{len(shards)} shards in {folder}: {wrong or 'no'} problems")
    return 1 if wrong else 0


def problems_of(path: Path) -> Iterator[str]:
    """Yield a line for each difference between a shard and its index."""
    try:
        index = index_of(path)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != index.sha256:
            yield f"{path}: has changed since it was made (SHA-256 {found[:12]}, {index.sha256[:12]} by its index)"
        names = []
        for member in read_members(str(path)):
            names.append(member.name)
            try:
                check(member.data)
            except PictureError as error:
                yield f"{path}: {member.name}: {error}"
        if tuple(names) != index.names:
            yield f"{path}: holds {len(names)} pictures, not the {len(index.names)} of its index"
    except OSError as error:
        yield f"{path}: cannot be read: {reason(error)}"
    except ConfigError as error:
        yield str(error)


def write_indices(folder: Path) -> int:
    """Write missing indices of the tar files in a folder, and the index over all; return the exit code.

    Raises:
        ConfigError: there are no tar files, or one is broken.
        OutputError: an index cannot be written.
    """
    paths = sorted(folder.glob("*.tar"))
    if not paths:
        raise ConfigError(f"{folder}: no tar files in this folder")
    with progress_bar("index", len(paths)) as advance:
        for path in paths:
            if not index_path(path).exists():
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                index = ShardIndex(list_pictures(str(path)), path.stat().st_size, digest)
                write_atomically(index_path(path), index.pack(), force=False)
            advance(path.name)
    write_atomically(folder / ALL, summary({path.name: index_of(path) for path in paths}), force=True)
    print(f"{len(paths)} shards in {folder} have indices")
    return 0


def index_path(path: Path) -> Path:
    """Path of the index of a shard."""
    return path.with_name(path.name + INDEX_SUFFIX)


def index_of(path: Path) -> ShardIndex:
    """Read the index of a shard.

    Raises:
        ConfigError: it is missing or damaged.
    """
    place = index_path(path)
    try:
        return parse_index(place.read_bytes(), str(place))
    except OSError as error:
        raise ConfigError(f"{place}: no index of the shard there: {reason(error)}; --index writes it") from error


def summary(indices: dict[str, ShardIndex]) -> bytes:
    """Build the index over all shards, as JSON."""
    shards = {
        name: {"pictures": len(index.names), "n_bytes": index.n_bytes, "sha256": index.sha256}
        for name, index in indices.items()
    }
    value = {
        "pictures": sum(len(index.names) for index in indices.values()),
        "n_bytes": sum(index.n_bytes for index in indices.values()),
        "shards": shards,
        "skipped": {name: why for index in indices.values() for name, why in index.skipped.items()},
    }
    return (json.dumps(value, indent=1) + "\n").encode()
