"""Reads changed streams, files of models and reverse paths, checkpoints, shards and pictures; reports wrong errors.

    python tools/fuzz.py --seconds 60 [--kind streams] [--count 1000000] [--seed 1] [--out FOLDER]

Inputs are valid ones with changes (tools/fuzz_mutations.py), whose checksums and fingerprints are made to fit. Input N
of a kind and seed is the same in every run. What is raised must be an `HvqcgicError` of one line, and an input may take
SECONDS_EACH of the processor and MOST_BYTES at most. Others are saved in FOLDER, once for each place in the code; exit
code 1 says so.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

import torch
from fuzz_kinds import Checkpoints, Kind, Pictures, Shards, Streams
from fuzz_tensors import Models, ReversedStreams, ReversePaths

from hvqcgic.errors import HvqcgicError

KINDS: dict[str, type[Kind]] = {
    kind.name: kind for kind in (Streams, ReversedStreams, Models, ReversePaths, Checkpoints, Shards, Pictures)
}
SECONDS_EACH = 20
"""Processor seconds of an input: a machine that is busy otherwise makes no findings."""
WAITING = 600
"""Seconds of an input that waits for something."""
MOST_BYTES = 6 << 30
LONGEST_MESSAGE = 1000


class TooSlow(BaseException):
    """An input took more than SECONDS_EACH or WAITING; no `except Exception` on the way may take it."""


@dataclass
class Findings:
    """What inputs of a kind came to.

    Attributes:
        taken: inputs that were read without an error.
        refused: inputs that gave an error of one line.
        wrong: the traceback of each place that raised anything else, by that place.
        interrupted: whether Ctrl-C ended it; what was counted so far is reported.
    """

    taken: int = 0
    refused: int = 0
    wrong: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


@contextmanager
def bounded() -> Iterator[None]:
    """Raise TooSlow after SECONDS_EACH of the processor, or after WAITING."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {SECONDS_EACH if number == signal.SIGPROF else WAITING} s")

    signal.signal(signal.SIGPROF, stop)
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_EACH)
    signal.alarm(WAITING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


def try_one(kind: Kind, data: bytes) -> Exception | BaseException | None:
    """Read an input; return what it raised."""
    try:
        with bounded():
            kind.read(data)
    except (Exception, TooSlow) as error:
        return error
    return None


def is_right(error: BaseException) -> bool:
    """Whether an error is one that users may see."""
    said = str(error)
    return isinstance(error, HvqcgicError) and 0 < len(said) <= LONGEST_MESSAGE and said.splitlines() == [said]


def fuzz(kind: Kind, *, seed: int, seconds: float, count: int | None, out: Path) -> Findings:
    """Read inputs until the time or their number is used up; save what raises a wrong error."""
    found, end, number = Findings(), time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end and (count is None or number < count):
            data = kind.change(Random(f"{seed} {kind.name} {number}"))
            error = try_one(kind, data)
            if error is None:
                found.taken += 1
            elif is_right(error):
                found.refused += 1
            else:
                note(found, error, data, out / f"{kind.name}-{seed}-{number}.bin")
            number += 1
    except KeyboardInterrupt:
        found.interrupted = True
    return found


def note(found: Findings, error: BaseException, data: bytes, path: Path) -> None:
    """Save an input and print its traceback, unless its error came from the same line before."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/hvqcgic/" in frame.filename] or frames
    place = f"{type(error).__name__} {own[-1].filename}:{own[-1].lineno}"
    if place in found.wrong:
        return
    found.wrong[place] = "".join(traceback.format_exception(error))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    print(f"{path}:\n{found.wrong[place][-4000:]}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Fuzz; return exit code 0 for nothing found, 1 for something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of all kinds together")
    parser.add_argument("--count", type=int, default=None, help="most inputs of a kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"), help="folder of inputs with wrong errors")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    wrong, end = 0, time.monotonic() + options.seconds
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        for left, name in zip(range(len(options.kind), 0, -1), options.kind, strict=True):
            kind, start = KINDS[name](Path(folder)), time.monotonic()
            share = max(end - start, 0) / left
            found = fuzz(kind, seed=options.seed, seconds=share, count=options.count, out=options.out)
            wrong += len(found.wrong)
            said = f"{found.taken + found.refused} inputs, {found.taken} taken, {found.refused} refused"
            print(f"{name}: {said}, {len(found.wrong)} places with wrong errors, {time.monotonic() - start:.0f} s")
            if found.interrupted:
                return 130
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
