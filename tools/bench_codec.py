"""Where the time goes: one picture through a codec, stage by stage, and the largest memory that the process held.

    python tools/bench_codec.py [PICTURE] [--model tiny] [--repeats 5] [--threads 2]

Stages are timed from inside by wrapping the functions that do them; medians over repeats. Without a picture, procedural
noise of 768 x 512 is coded, whose indices cost more than a photograph's.
"""

from __future__ import annotations

import argparse
import functools
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import hvqcgic
from hvqcgic import coder
from hvqcgic.entropy.exact_network import ExactNetwork
from hvqcgic.entropy.index_prior import IndexPrior
from hvqcgic.entropy.map_coding import MapCoder
from hvqcgic.entropy.range_coding import RangeDecoder, RangeEncoder
from hvqcgic.models.backbone import Encoder
from hvqcgic.models.decoder import ConditionalDecoder
from hvqcgic.models.picture_model import PictureModel

Stage = tuple[str, Any, str]
"""A stage, and the function that it times: its owner and its name there."""

STAGES: tuple[Stage, ...] = (
    ("granularity map", coder, "picture_density"),
    ("granularity map", coder, "order_cells"),
    ("features", Encoder, "forward"),
    ("nearest codes", coder.Analysed, "nearest"),
    ("hyper-analysis", PictureModel, "hyper_latent"),
    ("map coding", MapCoder, "encode"),
    ("map coding", MapCoder, "decode"),
    ("context networks", ExactNetwork, "forward"),
    ("context networks", ExactNetwork, "forward_at"),
    ("index prior", IndexPrior, "chunks"),
    ("range coder", RangeEncoder, "encode_each"),
    ("range coder", RangeDecoder, "decode_each"),
    ("picture network", ConditionalDecoder, "forward"),
)
Seconds = defaultdict[str, float]


@contextmanager
def timed_stages(
    seconds: Seconds, stages: Sequence[Stage] = STAGES, *, now: Callable[[], float] = time.perf_counter
) -> Iterator[None]:
    """Adds the time that each stage takes to `seconds`; a stage inside another counts once, for the inner one.

    Args:
        seconds: by stage.
        stages: what is timed.
        now: the clock.
    """
    kept = [(owner, name, getattr(owner, name)) for _, owner, name in stages]
    open_stages: list[float] = []
    for (stage, owner, name), (_, _, function) in zip(stages, kept, strict=True):
        setattr(owner, name, timed(function, stage, seconds, inner=open_stages, now=now))
    try:
        yield
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def timed(
    function: Callable[..., Any], stage: str, seconds: Seconds, *, inner: list[float], now: Callable[[], float]
) -> Callable[..., Any]:
    """A function, or a generator function, that adds its own time, less what stages inside it took, to its stage."""

    @contextmanager
    def clock() -> Iterator[None]:
        inner.append(0.0)
        start = now()
        try:
            yield
        finally:
            spent = now() - start
            seconds[stage] += spent - inner.pop()
            if inner:
                inner[-1] += spent

    @functools.wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        with clock():
            result = function(*arguments, **options)
        return steps(result) if stage == "index prior" else result

    def steps(generator: Iterator[Any]) -> Iterator[Any]:
        while True:
            with clock():
                item = next(generator, None)
            if item is None:
                return
            yield item

    return wrapper


def main() -> None:
    """Codes and decodes some times; prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    codec = hvqcgic.load(options.model, "cpu")
    source = options.picture or np.random.default_rng(0).integers(0, 256, (512, 768, 3), dtype=np.uint8)
    runs: dict[str, list[Seconds]] = {"encode": [], "decode": []}
    for _ in range(options.repeats + 1):
        encode, decode = defaultdict(float), defaultdict(float)
        with timed_stages(encode):
            start = time.perf_counter()
            data = codec.compress(source)
            encode["whole"] = time.perf_counter() - start
        with timed_stages(decode):
            start = time.perf_counter()
            codec.decompress(data)
            decode["whole"] = time.perf_counter() - start
        runs["encode"].append(encode)
        runs["decode"].append(decode)
    show(runs, options.threads)


def show(runs: dict[str, list[Seconds]], threads: int) -> None:
    """The table; the first run of each, which warms up, is left out."""
    table = Table(title=f"seconds with {threads} threads, median of {len(runs['encode']) - 1}")
    for heading in ("stage", "encode", "decode"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    stages = list(dict.fromkeys(stage for stage, _, _ in STAGES))
    medians = {
        way: {stage: statistics.median(run[stage] for run in found[1:]) for stage in (*stages, "whole")}
        for way, found in runs.items()
    }
    for way in medians:
        medians[way]["the rest"] = medians[way]["whole"] - sum(medians[way][stage] for stage in stages)
    for stage in (*stages, "the rest", "whole"):
        table.add_row(stage, *(f"{medians[way][stage]:.3f}" for way in ("encode", "decode")))
    Console().print(table)
    print(f"largest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
