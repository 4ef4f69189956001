"""Conversion of a Control-GIC state dict to a model of this project: shapes, names, usage counts."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from control_gic_checkpoint import IGNORED, Checkpoint
from torch import Tensor

from hvqcgic.errors import ModelError
from hvqcgic.models import ControlGicConfig, EntropyConfig, HvqModel, InputRange, ModelConfig, Selection

State = Mapping[str, Tensor]

COUNTER = "quantize.embedding_counter."
RENAMED = {
    "encoder.quant_conv.": "quant_conv.",
    "decoder.post_quant_conv.": "post_quant_conv.",
    "quantiser.codebook": "quantize.embedding.weight",
}
"""Prefixes of the few weights whose names differ from the published state dict."""

OWN_PARTS = re.compile(r"(encoder|decoder)\.mid_(fine|coarse)\.")
"""Names that distinguish a Control-GIC from the VQGANs that it descends from."""

MAX_COUNT = 2**40
MOST_LINES = 10


def most_frequent(values: Iterable[int], what: str) -> int:
    """Return the most frequent value, so that one tensor of wrong shape is reported and not followed.

    Raises:
        ModelError: there is no value.
    """
    found = list(values)
    if not found:
        raise ModelError(f"not a Control-GIC checkpoint: {what} is missing")
    return statistics.mode(found)


def derive_config(state: State, *, groups: int = 32) -> ModelConfig:
    """Derive the configuration from the shapes of a state dict, without hyperpriors.

    Args:
        state: published names.
        groups: of the normalisations, which shapes do not show.

    Raises:
        ModelError: it is no state dict of a Control-GIC.
        ConfigError: its widths are impossible for a Control-GIC.
    """
    if not any(OWN_PARTS.match(key) for key in state):
        raise ModelError(
            f"not a Control-GIC checkpoint: none of its {len(state)} entries is of encoder.mid_fine.*, "
            f"encoder.mid_coarse.* (the first is {next(iter(sorted(state)))})"
        )
    first = r"encoder\.(conv_in|down\.0\.block\.0\.norm1)\.(weight|bias)"
    width = most_frequent(_sizes(state, first), "encoder.conv_in.weight")
    blocks = r"encoder\.down\.{}\.block\.(\d+)\.(conv1|conv2|norm2)\.(weight|bias)"
    widths = [most_frequent(_sizes(state, blocks.format(i)), f"encoder.down.{i}") for i in range(5)]
    if uneven := [value for value in widths if value % width]:
        raise ModelError(f"not a Control-GIC checkpoint: width {uneven[0]} is no multiple of the first, {width}")
    counts = [len({m[1] for key in state if (m := re.fullmatch(blocks.format(i), key))}) for i in range(5)]
    attention = tuple(i for i in range(5) if any(key.startswith(f"encoder.down.{i}.attn.") for key in state))
    a, b, c, d, e = (value // width for value in widths)
    return ModelConfig(
        name="control-gic",
        codebook_size=_codes(state),
        code_width=most_frequent(_sizes(state, r"(post_)?quant_conv\.(weight|bias)"), "quant_conv.weight"),
        # Fixed, as fingerprints are of it, too; configs/control_gic_hyperprior.yaml goes on from it.
        entropy=EntropyConfig(form="learned", embedding_width=24, z_channels=(0, 0, 0), context_width=64),
        control_gic=ControlGicConfig(width, (a, b, c, d, e), max(counts), attention, norm_groups=groups),
    )


def _sizes(state: State, pattern: str) -> list[int]:
    """Sizes of the first axes of all tensors whose name matches."""
    return [value.shape[0] for key, value in state.items() if value.ndim and re.fullmatch(pattern, key)]


def _codes(state: State) -> int:
    """K, from the table of codes, or else from the number of counters."""
    table = state.get(RENAMED["quantiser.codebook"])
    counters = sum(key.startswith(COUNTER) for key in state)
    return table.shape[0] if table is not None and table.ndim == 2 else max(counters, 2)


def published_name(name: str) -> str:
    """Published name of one of our weights."""
    for ours, published in RENAMED.items():
        if name.startswith(ours):
            return name.replace(ours, published, 1)
    return name


def shadow_name(name: str) -> str:
    """Published name of the moving average of a published weight: the part, then the rest without dots."""
    part, rest = name.split(".", 1)
    return f"ema_{part}.{rest.replace('.', '')}"


def expected_shapes(config: ModelConfig) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Our name and shape of every weight that a checkpoint must hold, by its published name; without counters."""
    with torch.device("meta"):
        own = HvqModel(config).state_dict()
    kept = ("encoder.", "decoder.", "quantiser.codebook")
    return {published_name(name): (name, tuple(own[name].shape)) for name in own if name.startswith(kept)}


def find_problems(state: State, expected: Mapping[str, tuple[int, ...]]) -> list[str]:
    """One line for each key that is missing, unexpected or misshapen; long lists are cut, with the number left."""
    wanted = [key for key in state if not key.startswith(IGNORED)]
    kinds = (
        [f"missing {key}, expected of shape {expected[key]}" for key in expected if key not in state],
        [f"unexpected {key}, of shape {tuple(state[key].shape)}" for key in wanted if key not in expected],
        [
            f"misshapen {key}: {tuple(state[key].shape)}, expected {shape}"
            for key, shape in expected.items()
            if key in state and tuple(state[key].shape) != shape
        ],
    )
    lines = []
    for found in kinds:
        lines += found[:MOST_LINES]
        if len(found) > MOST_LINES:
            lines.append(f"... and {len(found) - MOST_LINES} more {found[0].split()[0]}")
    return lines


class KeyProblems(ModelError):
    """Keys of a state dict do not fit; `lines` lists them."""

    def __init__(self, lines: list[str]) -> None:
        """Args: lines: of `find_problems`."""
        super().__init__("; ".join(lines))
        self.lines = lines


def build_model(
    checkpoint: Checkpoint,
    *,
    ema: bool = False,
    selection: Selection = "ordered",
    input_range: InputRange = "unit",
    groups: int = 32,
) -> HvqModel:
    """Build the model of a checkpoint: its networks, codes and usage counts, and an index prior from these counts.

    Its context networks are untrained and neutral, so adaptive coding takes as many bits as static arithmetic coding.

    Args:
        checkpoint: as read.
        ema: use the moving averages of the weights.
        selection: of cells.
        input_range: range of the networks' input.
        groups: of the normalisations.

    Raises:
        KeyProblems: keys are missing, unexpected or misshapen.
        ModelError: it is no checkpoint of a Control-GIC, or has no moving averages.
    """
    state, path = checkpoint.state, checkpoint.path
    try:
        config = derive_config(state, groups=groups)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    assert config.control_gic is not None
    config = replace(config, selection=selection, control_gic=replace(config.control_gic, input_range=input_range))
    weights = expected_shapes(config)
    counters = {f"{COUNTER}{index}": (1,) for index in range(config.codebook_size)}
    problems = find_problems(state, {name: shape for name, (_, shape) in weights.items()} | counters)
    if ema and not problems:
        state, problems = _shadows(state, {name: shape for name, (_, shape) in weights.items()}, path)
    if problems:
        raise KeyProblems(problems)
    if infinite := [name for name in weights if not bool(state[name].isfinite().all())]:
        raise ModelError(f"{path}: {infinite[0]} holds numbers that are not finite; get a fresh copy")
    # Weights of context networks, which no checkpoint holds, come from a fixed seed: every import gives the same file.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = HvqModel(config).eval().requires_grad_(False)
    model.load_state_dict({ours: state[name].float() for name, (ours, _) in weights.items()}, strict=False)
    _start_entropy(model, torch.cat([checkpoint.state[name].double() for name in counters]), path)
    return model


def _shadows(state: State, shapes: Mapping[str, tuple[int, ...]], path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Return the moving averages under the names of the weights, and the problems with them."""
    own = {shadow_name(name): shape for name, shape in shapes.items()}
    if not own.keys() & state.keys():
        raise ModelError(f"{path}: holds no EMA shadows (ema_*); import it without --ema")
    found = {name: state[name] for name in own if name in state}
    return {name: found[shadow_name(name)] for name in shapes if shadow_name(name) in found}, find_problems(found, own)


def _start_entropy(model: HvqModel, counts: Tensor, path: Path) -> None:
    """Set usage counts, equal for all granularities as published, an index prior from them, and neutral contexts."""
    if not bool((counts.isfinite() & (counts >= 0) & (counts <= MAX_COUNT)).all()):
        raise ModelError(f"{path}: counters {COUNTER}* must be 0 to 2^40; the file is damaged")
    quantiser = model.quantiser
    quantiser.usage.copy_(counts.trunc().float().expand_as(quantiser.usage))
    quantiser.initialised.fill_(True)
    model.prior.start(quantiser.usage, quantiser.codebook)
    for step in model.passes:
        last = model.context_of(step)[-1].convolution
        torch.nn.init.zeros_(last.weight)  # pyright: ignore
        torch.nn.init.zeros_(last.bias)  # pyright: ignore
