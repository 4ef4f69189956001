"""Times of the stages of a codec, measured by wrapping their functions."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hvqcgic.coder import TiledNetworks, TiledReverse, coder
from hvqcgic.entropy import EntropyModel, ExactNetwork, IndexPrior, IndexWalk, MapCoder, RangeDecoder, RangeEncoder
from hvqcgic.models import PictureModel, ReverseNetwork
from hvqcgic.rate_control import rd_order

Seconds = defaultdict[str, float]
Stage = tuple[str, Any, str]
"""A stage and its timed function: name of the stage, owner of the function, name of the function."""

STAGES: tuple[Stage, ...] = (
    ("reading", coder, "read_picture"),
    ("granularity map", coder, "picture_density"),
    ("granularity map", coder, "order_cells"),
    ("granularity map", rd_order.RdOrder, "masks"),
    ("cell distortions", rd_order, "cell_distortions"),
    ("features", TiledNetworks, "features"),
    ("nearest codes", coder.Analysed, "nearest"),
    ("hyper-analysis", PictureModel, "hyper_latent"),
    ("map coding", MapCoder, "encode"),
    ("map coding", MapCoder, "decode"),
    ("hyper-synthesis", ExactNetwork, "forward"),
    ("context networks", ExactNetwork, "forward_at"),
    ("context networks", IndexWalk, "run"),
    ("index prior", IndexPrior, "chunks"),
    ("range coder", RangeEncoder, "bits_of_each"),
    ("range coder", RangeDecoder, "decode_each"),
    ("entropy coding, the rest", EntropyModel, "encode"),
    ("entropy coding, the rest", EntropyModel, "decode"),
    ("picture network", TiledNetworks, "reconstruct"),
    ("picture network", TiledReverse, "reconstruct"),
    ("reverse network", ReverseNetwork, "forward"),
)


@contextmanager
def timed_stages(
    seconds: Seconds, stages: Sequence[Stage] = STAGES, *, now: Callable[[], float] = time.perf_counter
) -> Iterator[None]:
    """Add the time of each stage to `seconds`; time in a nested stage counts only for the nested stage.

    Args:
        seconds: by stage.
        stages: the timed stages.
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
    """Wrap a function or generator function to add its own time, without nested stages, to its stage."""

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
