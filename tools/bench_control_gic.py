"""Control-GIC's networks through our codec: time and memory of each stage, with random weights at full width.

    python tools/bench_control_gic.py [--size 768x512] [--threads 2] [--share 1]

Seconds are wall and processor seconds, which differ on a shared machine. Memory is the peak of the process during a
stage, weights included. With `--share 0.02` attention is computed for that share of its queries only, and its time is
scaled up; the output marks the result as an estimate.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hvqcgic.codec import Codec
from hvqcgic.coder import coder
from hvqcgic.entropy import EntropyModel
from hvqcgic.models import (
    ControlGicConfig,
    ControlGicDecoder,
    ControlGicEncoder,
    HvqModel,
    ModelConfig,
    control_gic_blocks,
)
from hvqcgic.training import HyperLatentPriors, freeze_model

STAGES: tuple[tuple[str, Any, str], ...] = (
    ("selection", coder, "picture_density"),
    ("selection", coder, "order_cells"),
    ("encoder", ControlGicEncoder, "forward"),
    ("nearest codes", coder.Analysed, "nearest"),
    ("entropy encoding", EntropyModel, "encode"),
    ("entropy decoding", EntropyModel, "decode"),
    ("decoder stem", ControlGicDecoder, "branch"),
    ("decoder", ControlGicDecoder, "forward"),
)
"""Timed functions; the time of a nested one does not count for the outer one."""


@dataclass
class Spent:
    """Sums for a stage: wall seconds, processor seconds, and peak memory in MB."""

    wall: float = 0.0
    cpu: float = 0.0
    memory_mb: float = 0.0


@dataclass
class Meter:
    """Measures time and memory of nested stages.

    Attributes:
        share: share of the queries for which attention is computed.
        spent: by stage.
        open_stages: time of stages inside the open ones.
        extra: seconds of the attention that was not computed.
    """

    share: float
    spent: dict[str, Spent] = field(default_factory=dict)
    open_stages: list[Spent] = field(default_factory=list)
    extra: Spent = field(default_factory=Spent)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time and memory of the body to a stage."""
        if self.open_stages:
            self.open_stages[-1].memory_mb = max(self.open_stages[-1].memory_mb, peak_mb())
        reset_peak()
        self.open_stages.append(Spent())
        extra, wall, cpu = Spent(self.extra.wall, self.extra.cpu), time.perf_counter(), time.process_time()
        yield
        wall = time.perf_counter() - wall + self.extra.wall - extra.wall
        cpu = time.process_time() - cpu + self.extra.cpu - extra.cpu
        inner, own = self.open_stages.pop(), self.spent.setdefault(name, Spent())
        peak = max(inner.memory_mb, peak_mb())
        own.wall, own.cpu = own.wall + wall - inner.wall, own.cpu + cpu - inner.cpu
        own.memory_mb = max(own.memory_mb, peak)
        if self.open_stages:
            outer = self.open_stages[-1]
            outer.wall, outer.cpu, outer.memory_mb = outer.wall + wall, outer.cpu + cpu, max(outer.memory_mb, peak)
        print(f"  {name}: {own.wall:.1f} s so far", flush=True)

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function to time it."""

        @functools.wraps(function)
        def wrapper(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **options)

        return wrapper

    def attend(self, function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        """Wrap attention to compute a share of the queries and repeat the result; its time also counts separately."""

        def wrapper(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
            some = max(1, round(queries.shape[1] * self.share))
            wall, cpu = time.perf_counter(), time.process_time()
            found = function(queries[:, :some], keys, values)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            missing = queries.shape[1] / some - 1
            self.extra = Spent(self.extra.wall + missing * wall, self.extra.cpu + missing * cpu)
            total = self.spent.setdefault("attention, in the stages above", Spent())
            total.wall, total.cpu = total.wall + wall * (1 + missing), total.cpu + cpu * (1 + missing)
            return found[:, torch.arange(queries.shape[1]) % some] if missing else found

        return wrapper


def reset_peak() -> None:
    """Reset the peak memory of the process, if the system supports it (Linux)."""
    target = Path("/proc/self/clear_refs")
    if target.exists():
        target.write_text("5", encoding="ascii")


def peak_mb() -> float:
    """Largest memory since `reset_peak`, in MB of 10^6 bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def random_codec(codes: int, width: int) -> Codec:
    """The published network with random weights, codes like its features, and the default entropy model."""
    torch.manual_seed(0)
    config = ModelConfig("random", codebook_size=codes, control_gic=ControlGicConfig(width))
    model = HvqModel(config).eval().requires_grad_(False)
    with torch.inference_mode():
        y = torch.cat(
            [rows.permute(0, 2, 3, 1).flatten(0, 2) for rows in model.encoder(torch.rand(1, 3, 64, 64)).values()]
        )
    model.quantiser.codebook.copy_(torch.randn(codes, 4) * y.std(0) + y.mean(0))
    model.quantiser.usage.copy_(torch.rand(3, codes).pow(3).mul(1000).floor())
    model.quantiser.initialised.fill_(True)
    model.prior.start(model.quantiser.usage, model.quantiser.codebook)
    return Codec(freeze_model(model, HyperLatentPriors(model.z_channels)), torch.device("cpu"))


def main() -> None:
    """Encode and decode one procedural picture; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="768x512", help="width x height in pixels")
    parser.add_argument("--codes", type=int, default=1024, help="K")
    parser.add_argument("--width", type=int, default=128, help="channels at full resolution; published 128")
    parser.add_argument("--ratios", default="0.5,0.4,0.1", help="fine, medium, coarse")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--share", type=float, default=1.0, help="share of the queries for which attention is computed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    width, height = (int(side) for side in options.size.split("x"))
    fine, medium, coarse = (float(share) for share in options.ratios.split(","))
    codec, meter = random_codec(options.codes, options.width), Meter(options.share)
    for name, owner, function in STAGES:
        setattr(owner, function, meter.wrap(name, getattr(owner, function)))
    control_gic_blocks.attend = meter.attend(control_gic_blocks.attend)
    contrast = np.random.default_rng(1).random((height // 8 + 1, width // 8 + 1, 1)).repeat(8, 0).repeat(8, 1)
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3))
    picture = (noise * contrast[:height, :width]).astype(np.uint8)
    with meter.stage("encode, the rest"):
        data = codec.compress(picture, ratios=(fine, medium, coarse))
    with meter.stage("decode, the rest"):
        codec.decompress(data)
    what = "" if options.share == 1 else f", attention estimated from {options.share:g} of its queries"
    print(f"{width} x {height}, {options.codes} codes, {options.threads} threads{what}; {len(data)} bytes")
    print(f"{'stage':<32}{'wall, s':>10}{'CPU, s':>10}{'peak, MB':>10}")
    for name, spent in meter.spent.items():
        print(f"{name:<32}{spent.wall:>10.2f}{spent.cpu:>10.2f}{spent.memory_mb or float('nan'):>10.0f}")


if __name__ == "__main__":
    main()
