"""Adaptive coding of one picture's indices with random networks: seconds by stage, peak memory and bits.

    python -m tools.bench_index_coding [--codes 1024 4096 16384] [--forms learned] [--threads 1] [--clock cpu]

The picture has 768 x 512 pixels at ratios (0.5, 0.4, 0.1), 14 899 cells. Its indices are drawn from the model's own
predictions, so that bits and searches are those of a model that fits its pictures. Every codebook size and form runs in
its own process, whose peak memory includes PyTorch.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hvqcgic.bitstream import GRANULARITIES, parse_schedule
from hvqcgic.entropy import (
    EntropyModel,
    ExactNetwork,
    IndexPrior,
    Masks,
    PassCells,
    RangeDecoder,
    RangeEncoder,
    fit_map_coder,
    freeze,
)
from hvqcgic.index_priors import FORMS, form_named
from hvqcgic.models import EntropyConfig, context_network, describe, hyper_synthesis, parameter_count
from tools.stage_times import Seconds, Stage, timed_stages

CODE_WIDTH = 4
COARSE_CELLS = (32, 48)
MEDIUM_SHARE = 4 / 9
"""Share of medium cells in the area without coarse cells: 0.4 of the picture with 0.1 coarse."""
STAGES: tuple[Stage, ...] = (
    ("context networks", ExactNetwork, "forward"),
    ("context networks", ExactNetwork, "forward_at"),
    ("product", torch, "mm"),
    ("table", torch, "index_select"),
    ("index prior", IndexPrior, "chunks"),
    ("range coder", RangeEncoder, "encode_each"),
    ("range coder", RangeDecoder, "decode_each"),
)
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Case:
    """Settings of a measurement: codebook size, form of the prior, threads, name of the clock, repeats."""

    codes: int
    form: str
    threads: int
    clock: str
    repeats: int


@dataclass(frozen=True)
class Result:
    """Median seconds by stage, including "whole"; bits an index; peak memory in MB before coding and at the end."""

    case: Case
    encode: dict[str, float]
    decode: dict[str, float]
    index_bits: float
    memory_before_mb: float
    memory_mb: float


def random_networks(config: EntropyConfig, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Context and synthesis networks of the widths of `tiny`, as `freeze` takes them; predictions worth some bits."""
    outputs = parameter_count(config, CODE_WIDTH)
    context = {}
    # Weights come from the global generator, whose state is restored afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        for step in parse_schedule(config.schedule):
            hints = config.synthesis_channels
            network = context_network(config, step, code_width=CODE_WIDTH, hints=hints, outputs=outputs)
            last: Any = network[-1]
            last.convolution.weight.data.mul_(6)
            if form_named(config.form).scale_bits:
                last.convolution.bias.data[CODE_WIDTH : 2 * CODE_WIDTH].sub_(1)
            context[step.name] = describe(network)
        channels = zip(GRANULARITIES, config.z_channels, strict=True)
        synthesis = {g: describe(hyper_synthesis(config, count)) for g, count in channels}
    return context, synthesis


def random_entropy_model(codes: int, form: str, rng: np.random.Generator) -> EntropyModel:
    """A model with evenly spread codes; for the form "learned", features are polynomials of the codes plus noise."""
    # The entropy model of the figures in docs/speed.md, with hyperpriors.
    config = EntropyConfig(
        form=form,  # pyright: ignore[reportArgumentType]
        embedding_width=24,
        z_channels=(4, 4, 4),
        context_width=64,
    )
    pmf = np.exp(-np.abs(np.arange(-config.z_limit, config.z_limit + 1)))
    codebook = rng.normal(size=(codes, CODE_WIDTH))
    square = codebook[:, :, None] * codebook[:, None, :]
    features = np.concatenate([codebook, square[:, *np.triu_indices(CODE_WIDTH)]], 1)
    noise = rng.normal(size=(codes, config.embedding_width - features.shape[1])) * 0.3
    context, synthesis = random_networks(config, rng)
    frozen = freeze(
        codebook=codebook,
        schedule=config.schedule,
        form=form,
        context=context,
        synthesis=synthesis,
        z_pmf={g: np.tile(pmf / pmf.sum(), (n, 1)) for g, n in zip(GRANULARITIES, config.z_channels, strict=True)},
        usage=rng.integers(1, 1000, (3, codes)),
        map_tables=fit_map_coder([]),
        log_prior=rng.normal(size=(3, codes)),
        features=np.concatenate([features, noise], 1) if form == "learned" else None,
    )
    return EntropyModel(frozen.spec, frozen.arrays)


def random_masks(rng: np.random.Generator) -> Masks:
    """A map of 154 coarse, 2 457 medium and 12 284 fine cells in random places."""
    coarse = np.zeros(COARSE_CELLS[0] * COARSE_CELLS[1], np.bool_)
    coarse[rng.permutation(len(coarse))[: round(0.1 * len(coarse))]] = True
    coarse = coarse.reshape(COARSE_CELLS)
    free = np.flatnonzero(~coarse.repeat(2, 0).repeat(2, 1))
    medium = np.zeros(4 * coarse.size, np.bool_)
    medium[rng.permutation(free)[: round(MEDIUM_SHARE * len(free))]] = True
    return Masks.from_coarser(coarse, medium.reshape(2 * coarse.shape[0], 2 * coarse.shape[1]))


def drawn_indices(
    model: EntropyModel, masks: Masks, z: dict[str, NDArray[np.int64]], rng: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Draw indices from the model's own predictions."""

    def resolve(cells: PassCells) -> NDArray[Any]:
        drawn = []
        for chunk in model.prior.chunks(cells.parameters, cells.step.granularity):
            cumulative = np.cumsum(chunk.frequencies, 1)
            drawn.append((cumulative <= rng.random((len(cumulative), 1)) * cumulative[:, -1:]).sum(1))
        return np.concatenate(drawn)

    return model.walk.run(masks, z, resolve).indices


def measure(case: Case) -> Result:
    """Encode and decode once as a warm-up, then for all repeats of the case."""
    torch.set_num_threads(case.threads)
    rng = np.random.default_rng(0)
    model, masks = random_entropy_model(case.codes, case.form, rng), random_masks(rng)
    z = {
        g: rng.integers(-2, 3, (prior.channels, -(-masks[g].shape[0] // 4), -(-masks[g].shape[1] // 4)))
        for g, prior in model.hyper_latents.priors.items()
    }
    before = _peak_mb()
    indices = drawn_indices(model, masks, z, rng)
    size = (*COARSE_CELLS, masks.count("coarse"), masks.count("medium"))
    encoded = model.encode(masks, indices, z, mode="adaptive")
    decoded = model.decode(*size, encoded.sections, mode="adaptive")
    if any(not np.array_equal(decoded.indices[g], indices[g]) for g in GRANULARITIES):
        raise SystemExit(f"{case}: decoded indices differ from those that were coded")
    encode = _timed(case, lambda: model.encode(masks, indices, z, mode="adaptive"))
    decode = _timed(case, lambda: model.decode(*size, encoded.sections, mode="adaptive"))
    bits = sum(encoded.parts[g] for g in GRANULARITIES) / sum(map(len, indices.values()))
    return Result(case, encode, decode, bits, before, _peak_mb())


def measured(cases: list[Case]) -> Iterator[Result]:
    """Measure each case in a new process, one after the other."""
    for case in cases:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool.submit(measure, case).result()


def main() -> None:
    """Measure all cases; print a table, or one JSON object a case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", type=int, nargs="+", default=[1024, 4096, 16384])
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--threads", type=int, default=1, help="stages overlap with more than one; default 1")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu varies less on a shared machine")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settings = options.threads, options.clock, options.repeats
    results = measured([Case(codes, form, *settings) for codes, form in product(options.codes, options.forms)])
    if options.json:
        for result in results:
            print(json.dumps(dataclasses.asdict(result)), flush=True)
    else:
        show(list(results), f"{options.clock} seconds with {options.threads} threads, median of {options.repeats}")


def show(results: list[Result], title: str) -> None:
    """Print two lines a case: encode and decode."""
    stages = [*dict.fromkeys(stage for stage, _, _ in STAGES), "whole"]
    table = Table(title=title)
    for heading in ("K", "form", "", *stages, "bits / index", "MB before", "MB peak"):
        table.add_column(heading, justify="right")
    for result in results:
        memory = f"{result.memory_before_mb:.0f}", f"{result.memory_mb:.0f}"
        for way, seconds in (("encode", result.encode), ("decode", result.decode)):
            figures = [f"{seconds.get(stage, 0.0):.3f}" for stage in stages]
            table.add_row(str(result.case.codes), result.case.form, way, *figures, f"{result.index_bits:.3f}", *memory)
    Console(width=160).print(table)


def _timed(case: Case, function: Callable[[], Any]) -> dict[str, float]:
    """Median seconds by stage."""
    runs: list[Seconds] = []
    now = CLOCKS[case.clock]
    # Work in other threads cannot be separated from this thread's work at the same time.
    stages = [stage for stage in STAGES if case.threads == 1 or stage[1] is not torch]
    for _ in range(case.repeats):
        runs.append(defaultdict(float))
        with timed_stages(runs[-1], stages, now=now):
            start = now()
            function()
            runs[-1]["whole"] = now() - start
    return {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
