"""Sources of pictures: folders, tar shards, and default pictures for machines without any."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from hvqcgic.errors import ConfigError, PictureError
from hvqcgic.files import PICTURE_SUFFIXES
from hvqcgic.pictures import decode, expand, is_address, list_pictures, read_index, read_members, read_picture
from hvqcgic.training.dead_leaves import dead_leaves

# Number of files of a folder that are read together; small enough for a window of streamed training (see `data.py`).
FOLDER_SHARD_FILES = 64

# Colour photographs in scikit-image's wheel; `skimage.data` would download the others, so they are not used.
# The two motorcycles are a stereo pair: both must stay on the same side of the split.
EMBEDDED_TRAIN = (
    "astronaut.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "ihc.png",
)
EMBEDDED_VAL = ("chelsea.png", "coffee.png")
_LEAVES_TRAIN, _LEAVES_VAL, _LEAVES_SIDE_PX = 10, 2, 256

_LISTED_AT_ONCE = 16


class Shard(Protocol):
    """Pictures that are read together. `names` needs no decoding; unreadable pictures make `read` return fewer."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each picture, in a fixed order."""
        ...

    def read(self) -> list[np.ndarray]:
        """Decode the pictures: arrays (H, W, 3), uint8, sRGB, in the order of `names`."""
        ...

    def stream(self) -> Iterator[np.ndarray]:
        """Decode the pictures one by one, so that memory holds one at a time."""
        ...

    def keep(self, names: Collection[str]) -> Shard:
        """The same shard, limited to the given names."""
        ...


@dataclass(frozen=True)
class FolderShard:
    """Some picture files of a folder."""

    folder: Path
    names: tuple[str, ...]

    def read(self) -> list[np.ndarray]:
        """Decode the files; unreadable ones are omitted with one warning."""
        return list(self.stream())

    def stream(self) -> Iterator[np.ndarray]:
        """Decode the files one by one; unreadable ones are omitted with one warning."""
        return _decode_all(str(self.folder), ((name, self.folder / name) for name in self.names))

    def keep(self, names: Collection[str]) -> FolderShard:
        """The same folder, limited to the given names."""
        return replace(self, names=tuple(name for name in self.names if name in names))


@dataclass(frozen=True)
class TarShard:
    """Picture members of one tar file in WebDataset's format, see `hvqcgic.pictures.shards` for its address."""

    place: str
    names: tuple[str, ...]

    def read(self) -> list[np.ndarray]:
        """Decode the members; unreadable ones are omitted with one warning.

        Raises:
            ConfigError: the shard is missing, no tar file, or incomplete.
        """
        return list(self.stream())

    def stream(self) -> Iterator[np.ndarray]:
        """Decode the members one by one; unreadable ones are omitted with one warning."""
        wanted = frozenset(self.names)
        members = read_members(self.place, wanted.__contains__)
        return _decode_all(self.place, ((member.name, member.data) for member in members))

    def keep(self, names: Collection[str]) -> TarShard:
        """The same tar file, limited to the given names."""
        return replace(self, names=tuple(name for name in self.names if name in names))


@dataclass(frozen=True)
class LeavesShard:
    """Procedural pictures, named by their seeds."""

    names: tuple[str, ...]

    def read(self) -> list[np.ndarray]:
        """Paint the pictures."""
        return list(self.stream())

    def stream(self) -> Iterator[np.ndarray]:
        """Paint the pictures one by one."""
        return (dead_leaves(_LEAVES_SIDE_PX, np.random.default_rng([int(name)])) for name in self.names)

    def keep(self, names: Collection[str]) -> LeavesShard:
        """The same pictures, limited to the given names."""
        return LeavesShard(tuple(name for name in self.names if name in names))


@dataclass(frozen=True)
class Split:
    """Shards to train on and shards to validate on; no picture is in both."""

    train: tuple[Shard, ...]
    val: tuple[Shard, ...]


def find_shards(source: str) -> tuple[Shard, ...]:
    """Find the shards of a folder (searched recursively), of a tar file, or of a pattern of tar files.

    Args:
        source: path of a folder or tar file, or a pattern such as `data/train-*.tar` or `data/train-{000..002}.tar`.
            A folder with tar files and no pictures stands for its tar files. Remote tar files are
            `https://HOST/train-{000..099}.tar`, or `pipe:` and a command that writes one,
            `pipe:aws s3 cp s3://BUCKET/train-{000..099}.tar -`.
    Returns:
        shards in order of their paths, none of them empty.
    Raises:
        ConfigError: nothing is found, there are no pictures, or a tar file is broken.
    """
    path = Path(source).expanduser()
    if is_address(source):
        shards = _tar_shards(expand(source))
    elif path.is_dir():
        shards = _folder_shards(path) or _tar_shards([str(tar) for tar in sorted(path.rglob("*.tar"))])
    else:
        shards = _tar_shards(expand(str(path)))
    shards = tuple(shard for shard in shards if shard.names)
    if not shards:
        raise ConfigError(f"{source}: no pictures there; give a folder with pictures, or tar files that hold some")
    return shards


def embedded_split(seed: int) -> Split:
    """Default pictures: scikit-image's own colour photographs, and dead leaves.

    Args:
        seed: seeds of the dead leaves are drawn from it.
    Raises:
        ConfigError: scikit-image's wheel holds none of the photographs.
    """
    folder = Path(str(resources.files("skimage") / "data"))
    train, val = (
        FolderShard(folder, tuple(name for name in names if (folder / name).is_file()))
        for names in (EMBEDDED_TRAIN, EMBEDDED_VAL)
    )
    if not (train.names and val.names):
        raise ConfigError(f"{folder}: scikit-image's photographs are missing; install its wheel again, or use --data")
    seeds = np.random.SeedSequence([seed]).generate_state(_LEAVES_TRAIN + _LEAVES_VAL)
    leaves = [str(state) for state in seeds]
    return Split((train, LeavesShard(tuple(leaves[_LEAVES_VAL:]))), (val, LeavesShard(tuple(leaves[:_LEAVES_VAL]))))


def read_all(shards: Iterable[Shard]) -> list[np.ndarray]:
    """Decode all pictures of some shards; unreadable ones are omitted with a warning."""
    return [picture for shard in shards for picture in shard.read()]


def hold_out(shards: Sequence[Shard], count: int) -> tuple[Split, list[np.ndarray]]:
    """Set pictures of the first shard aside for validation, spread evenly over those that can be read.

    Args:
        shards: at least one.
        count: wanted pictures; at most a tenth of all pictures (but one) and half of the first shard are taken.
    Returns:
        the split, and the decoded validation pictures.
    Raises:
        ConfigError: fewer than two pictures in all.
    """
    while True:
        split = _split_names(shards, count)
        (held,) = split.val
        pictures = held.read()
        if len(pictures) == len(held.names):
            return split, pictures
        unreadable = {name for name in held.names if not held.keep([name]).read()}
        first = shards[0].keep(frozenset(shards[0].names) - unreadable)
        shards = [shard for shard in (first, *shards[1:]) if shard.names]


def _split_names(shards: Sequence[Shard], count: int) -> Split:
    total = sum(len(shard.names) for shard in shards)
    if total < 2:
        raise ConfigError(
            f"{total} picture to train on and to validate on, without those that cannot be read; give at least two, "
            "or use --val"
        )
    names = shards[0].names
    count = max(1, min(count, total // 10, len(names) // 2))
    chosen = frozenset(names[i * len(names) // count] for i in range(count))
    rest = shards[0].keep(frozenset(names) - chosen)
    train = tuple(shard for shard in (rest, *shards[1:]) if shard.names)
    return Split(train, (shards[0].keep(chosen),))


def prefix_of(name: str) -> str:
    """Prefix in a picture's file name: `cats` for `any/cats-0001.webp`, "" for `0001.webp`."""
    return PurePosixPath(name).stem.rpartition("-")[0]


def of_prefixes(shards: Sequence[Shard], prefixes: Collection[str], *, source: str) -> tuple[Shard, ...]:
    """Limit shards to pictures with some prefixes; shards without any are omitted.

    Args:
        shards: of folders or tar files.
        prefixes: see `prefix_of`.
        source: origin of the shards, for the message.
    Raises:
        ConfigError: there is no picture with one of the prefixes.
    """
    there = sorted({prefix_of(name) for shard in shards for name in shard.names} - {""})
    if missing := sorted(set(prefixes) - set(there)):
        known = f"its prefixes are {', '.join(there)}" if there else "no name of its pictures has a prefix"
        raise ConfigError(f"{source}: no picture of prefix {', '.join(missing)}; {known}")
    chosen = (shard.keep({name for name in shard.names if prefix_of(name) in prefixes}) for shard in shards)
    return tuple(shard for shard in chosen if shard.names)


def _folder_shards(folder: Path) -> tuple[Shard, ...]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    parts = (names[start : start + FOLDER_SHARD_FILES] for start in range(0, len(names), FOLDER_SHARD_FILES))
    return tuple(FolderShard(folder, tuple(part)) for part in parts)


def _tar_shards(places: Sequence[str]) -> tuple[Shard, ...]:
    """Build shards with the names in their indices; a tar file without an index is read for its names."""
    with ThreadPoolExecutor(_LISTED_AT_ONCE, "hvqcgic-shards") as pool:
        indices = list(pool.map(read_index, places))
        far = [place for place, index in zip(places, indices, strict=True) if index is None and is_address(place)]
        names = list(pool.map(lambda place, index: index.names if index else list_pictures(place), places, indices))
    if far:
        warnings.warn(
            f"{far[0]}: {len(far)} shards without an index (NAME.tar.json) were fetched to list their pictures, and "
            "will be again to read them; `python tools/make_shards.py --index` writes indices",
            stacklevel=3,
        )
    return tuple(map(TarShard, places, names))


def _decode_all(place: str, items: Iterator[tuple[str, Path | bytes]]) -> Iterator[np.ndarray]:
    """Decode every readable picture; at the end one warning counts the others and names the first."""
    bad: list[str] = []
    for name, file in items:
        try:
            picture = _decode(file)
        except (PictureError, OSError):
            bad.append(name)
        else:
            yield picture
    if bad:
        _warn_once(f"{place}: {len(bad)} unreadable pictures left out, the first is {bad[0]}")


@cache
def _warn_once(message: str) -> None:
    """Warn only once for each message, because a long training reads its shards again and again."""
    warnings.warn(message, stacklevel=4)


def _decode(file: Path | bytes) -> np.ndarray:
    with warnings.catch_warnings():
        # Warnings about transparency and animation help a person with one picture, not one with thousands.
        warnings.simplefilter("ignore")
        return decode(file) if isinstance(file, bytes) else read_picture(file)
