"""Small entropy models and pictures for the tests of this folder."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hvqcgic.bitstream.schedule import GRANULARITIES, parse_schedule
from hvqcgic.entropy import EntropyModel, FrozenEntropy, Masks, fit_map_coder, freeze
from hvqcgic.index_priors import FORMS

SEVEN_PASSES = ("coarse", "medium/0", "medium/1", "fine/0", "fine/1", "fine/2", "fine/3")


@dataclass(frozen=True)
class Picture:
    """What an encoder hands to the entropy model."""

    masks: Masks
    indices: dict[str, NDArray[np.int64]]
    z: dict[str, NDArray[np.int64]]

    @property
    def grid(self) -> tuple[int, int, int, int]:
        """The arguments of `EntropyModel.decode` that the header gives."""
        h16, w16 = self.masks.coarse.shape
        return h16, w16, self.masks.count("coarse"), self.masks.count("medium")


def conv(
    rng: np.random.Generator,
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    offset: tuple[int, int] = (0, 0),
) -> tuple[Any, ...]:
    """A random convolution as `freeze` takes it."""
    half, (row, column) = kernel // 2, offset
    weight = rng.normal(size=(outputs, inputs, kernel, kernel)) / np.sqrt(inputs * kernel * kernel)
    return (
        "conv",
        weight,
        rng.normal(size=outputs) * 0.3,
        stride,
        (half - column, half + column, half - row, half + row),
    )


def build_model(
    seed: int = 0,
    *,
    codes: int = 13,
    form: str = "diagonal",
    schedule: tuple[str, ...] = SEVEN_PASSES,
    z_channels: tuple[int, int, int] = (2, 0, 1),
    width: int = 8,
    spread: float = 1.0,
    decoder_prior: bool = False,
) -> FrozenEntropy:
    """An entropy model with random weights; `spread` scales the numbers that its prior gets."""
    rng = np.random.default_rng(seed)
    d, hints = 3, 4
    learned = FORMS[form].embedding != "codebook"
    outputs = FORMS[form].parameter_count(5 if learned else d)
    hyper = {g: channels for g, channels in zip(GRANULARITIES, z_channels, strict=True) if channels}
    synthesis = {
        g: [
            *(conv(rng, channels, 4 * hints, 3), ("leaky", 3), ("shuffle",)),
            *(("upsample",), conv(rng, hints, hints, 3), ("leaky", 2)),
        ]
        for g, channels in hyper.items()
    }
    context = {}
    for step in parse_schedule(schedule):
        inputs = d + 4 + (hints if step.granularity in hyper else 0)
        stride, offset = (2, step.offset) if step.phases == 4 else (1, (0, 0))
        last = conv(rng, width, outputs, 1)
        context[step.name] = [
            *(conv(rng, inputs, width, 5, stride=stride, offset=offset), ("leaky", 3)),
            *(conv(rng, width, width, 3), ("leaky", 3), (last[0], last[1] * spread, *last[2:])),
        ]
    return freeze(
        codebook=rng.normal(size=(codes, d)),
        schedule=schedule,
        form=form,
        context=context,
        synthesis=synthesis,
        z_pmf={g: np.exp(-np.abs(np.arange(-31, 32)))[None].repeat(channels, 0) for g, channels in hyper.items()},
        usage=rng.integers(0, 1000, (3, codes)),
        map_tables=fit_map_coder([]),
        log_prior=rng.normal(size=(3, codes)),
        features=rng.normal(size=(codes, 5)) if learned else None,
        decoder_prior=decoder_prior,
    )


def build_picture(frozen: FrozenEntropy, h16: int, w16: int, shares: tuple[float, float], seed: int = 0) -> Picture:
    """Random cells, indices and hyper-latents; shares of coarse cells, and of medium ones among the rest."""
    rng = np.random.default_rng(seed)
    coarse = np.zeros(h16 * w16, np.bool_)
    coarse[rng.permutation(h16 * w16)[: round(shares[0] * h16 * w16)]] = True
    coarse = coarse.reshape(h16, w16)
    free = rng.permutation(np.flatnonzero(~coarse.repeat(2, 0).repeat(2, 1)))
    medium = np.zeros(4 * h16 * w16, np.bool_)
    medium[free[: round(shares[1] * len(free))]] = True
    masks = Masks.from_coarser(coarse, medium.reshape(2 * h16, 2 * w16))
    codes = frozen.arrays["embeddings"].shape[0]
    indices = {g: rng.integers(0, codes, masks.count(g)) for g in GRANULARITIES}
    z = {}
    for granularity in GRANULARITIES:
        if f"z.{granularity}" in frozen.arrays:
            channels = len(frozen.arrays[f"z.{granularity}"])
            h, w = masks[granularity].shape
            z[granularity] = rng.integers(-31, 32, (channels, -(-h // 4), -(-w // 4)))
    return Picture(masks, indices, z)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """What is computed here is small: waking a second thread for it costs more than it saves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., FrozenEntropy]:
    return build_model


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Picture]:
    return build_picture


@pytest.fixture(scope="session")
def frozen() -> FrozenEntropy:
    return build_model()


@pytest.fixture(scope="session")
def model(frozen: FrozenEntropy) -> EntropyModel:
    return EntropyModel(frozen.spec, frozen.arrays)


@pytest.fixture(scope="session")
def picture(frozen: FrozenEntropy) -> Picture:
    return build_picture(frozen, 5, 7, (0.2, 0.5))
