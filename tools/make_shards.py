"""Packs folders of pictures into tar shards in WebDataset's format, each with an index beside it.

    python tools/make_shards.py PICTURES [PICTURES ...] --out SHARDS [--max-mb 256] [--max-pictures 10000] [--jobs 4]
    python tools/make_shards.py --verify SHARDS
    python tools/make_shards.py --index SHARDS

The first form searches folders recursively and writes SHARDS/pictures-000000.tar and so on, NAME.tar.json (names, size,
SHA-256) beside each, and SHARDS/index.json over all of them. Each picture is decoded once; pictures that cannot be
decoded are omitted, counted and named. A shard gets its name when it is complete, so the same command continues a
killed run. --verify compares shards with their indices; --index writes indices of tar files of other origin.

Exit codes: 0 done; 1 some pictures were omitted, or some shards differ from their indices; 2 bad input.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from shard_indices import ALL, check, index_of, index_path, summary, verify, write_indices

from hvqcgic.cli import complain, progress_bar
from hvqcgic.errors import ConfigError, HvqcgicError, PictureError
from hvqcgic.files import reason, remove_left_overs, write_atomically
from hvqcgic.pictures import Member, ShardIndex, allow_large_pictures, is_picture, pack_tar


@dataclass(frozen=True)
class File:
    """A picture file: its path, its name in the shard, and its size."""

    path: Path
    name: str
    n_bytes: int


@dataclass(frozen=True)
class Task:
    """A shard to make: its path and its files."""

    path: Path
    files: tuple[File, ...]

    @property
    def source(self) -> str:
        """SHA-256 of the files' names and sizes, to recognise a finished shard."""
        return hashlib.sha256("\n".join(f"{file.n_bytes} {file.name}" for file in self.files).encode()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Make, verify or index shards; return the exit code."""
    options = build_parser().parse_args(arguments)
    allow_large_pictures()
    try:
        if options.verify:
            return verify(Path(options.verify))
        if options.index:
            return write_indices(Path(options.index))
        if not (options.pictures and options.out):
            raise ConfigError("name folders of pictures, and with --out a folder for the shards (see --help)")
        files = find_pictures([Path(folder) for folder in options.pictures])
        return make(plan(files, options), Path(options.out), options.jobs)
    except HvqcgicError as error:
        complain(error)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", metavar="PICTURES", help="folders of pictures, searched recursively")
    parser.add_argument("--out", metavar="SHARDS", help="folder for the shards")
    parser.add_argument("--prefix", default="pictures", help="first part of the names of shards")
    parser.add_argument("--max-mb", type=float, default=256, help="most MB (10^6 bytes) of pictures in a shard")
    parser.add_argument("--max-pictures", type=int, default=10000, help="most pictures in a shard")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each of which holds one shard in memory")
    parser.add_argument("--verify", metavar="SHARDS", help="check the shards of a folder against their indices")
    parser.add_argument("--index", metavar="SHARDS", help="write indices of the tar files of a folder that have none")
    return parser


def find_pictures(folders: Iterable[Path]) -> list[File]:
    """Find the pictures of folders recursively, sorted by name.

    Raises:
        ConfigError: there are none, or two have the same name below their folders.
    """
    found: dict[str, File] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder}: there is no such folder of pictures")
        for path in sorted(folder.rglob("*")):
            if is_picture(path.name) and not path.name.startswith(".") and path.is_file():
                name = path.relative_to(folder).as_posix()
                if name in found:
                    raise ConfigError(f"{path} and {found[name].path} would both be called {name}; rename one of them")
                found[name] = File(path, name, path.stat().st_size)
        if not found:
            raise ConfigError(f"{folder}: no pictures in this folder")
    return [found[name] for name in sorted(found)]


def plan(files: Sequence[File], options: argparse.Namespace) -> list[Task]:
    """Distribute the files over shards: as many as the limits allow, at least one.

    Raises:
        ConfigError: a limit is not above 0.
    """
    for name in ("max_mb", "max_pictures", "jobs"):
        if not getattr(options, name) > 0:
            raise ConfigError(f"--{name.replace('_', '-')} is {getattr(options, name)}; use a number above 0")
    groups: list[list[File]] = []
    n_bytes = 0
    for file in files:
        n_bytes += file.n_bytes
        if not groups or n_bytes > 1e6 * options.max_mb or len(groups[-1]) >= options.max_pictures:
            groups.append([])
            n_bytes = file.n_bytes
        groups[-1].append(file)
    paths = (Path(options.out) / f"{options.prefix}-{number:06}.tar" for number in range(len(groups)))
    return [Task(path, tuple(group)) for path, group in zip(paths, groups, strict=False)]


def make(tasks: Sequence[Task], folder: Path, jobs: int) -> int:
    """Make the missing shards and the index over all; return the exit code.

    Raises:
        ConfigError: the folder holds shards of other pictures.
        OutputError: it cannot be written.
    """
    remove_left_overs(folder)
    to_do = [task for task in tasks if not is_done(task)]
    with progress_bar("shards", len(to_do)) as advance:
        run_all(to_do, jobs, lambda task: advance(task.path.name))
    indices = {task.path.name: index_of(task.path) for task in tasks}
    write_atomically(folder / ALL, summary(indices), force=True)
    skipped = {name: why for index in indices.values() for name, why in index.skipped.items()}
    for name, why in skipped.items():
        complain(f"{name}: left out: {why}")
    pictures = sum(len(index.names) for index in indices.values())
    n_bytes = sum(index.n_bytes for index in indices.values())
    print(
        f"{len(tasks)} shards ({len(tasks) - len(to_do)} were there), {pictures} pictures, {n_bytes / 1e6:.1f} MB in "
        f"{folder}; {len(skipped)} pictures left out"
    )
    return 1 if skipped else 0


def is_done(task: Task) -> bool:
    """Whether a shard exists.

    Raises:
        ConfigError: it exists, but with other pictures or other limits.
    """
    if not task.path.exists():
        return False
    if index_of(task.path).source != task.source:
        raise ConfigError(
            f"{task.path}: was made of other pictures or with other limits; name another --out, or delete it"
        )
    return True


def run_all(tasks: Sequence[Task], jobs: int, done: Callable[[Task], None]) -> None:
    """Make shards, in this process or in several."""
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            make_shard(task)
            done(task)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=allow_large_pictures) as executor:
        by_future = {executor.submit(make_shard, task): task for task in tasks}
        for future in as_completed(by_future):
            future.result()
            done(by_future[future])


def make_shard(task: Task) -> None:
    """Write a shard and its index. The shard comes last, so that an existing shard and its index are complete.

    Raises:
        OutputError: they cannot be written.
    """
    skipped: dict[str, str] = {}
    members = list(readable(task.files, skipped))
    data = pack_tar(members)
    digest = hashlib.sha256(data).hexdigest()
    index = ShardIndex(tuple(member.name for member in members), len(data), digest, task.source, skipped)
    write_atomically(index_path(task.path), index.pack(), force=True)
    write_atomically(task.path, data, force=True)


def readable(files: Iterable[File], skipped: dict[str, str]) -> Iterator[Member]:
    """Yield the files that can be decoded; the reasons of the others go into `skipped`."""
    for file in files:
        try:
            data = file.path.read_bytes()
            check(data)
        except (PictureError, OSError) as error:
            skipped[file.name] = reason(error)
        else:
            yield Member(file.name, data)


if __name__ == "__main__":
    sys.exit(main())
