"""Starting weights of a training: checkpoints, frozen models, and the part used of each."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.errors import ConfigError
from hvqcgic.model_files import (
    MODEL_SUFFIX,
    FrozenModel,
    bundled_models,
    config_of,
    find_model,
    read_model,
    read_summary,
    retired_models,
)
from hvqcgic.models import MEANS_CHANNELS, ModelConfig, parameter_count
from hvqcgic.training.average import weights_of
from hvqcgic.training.behind_model import BehindModelStage
from hvqcgic.training.checkpoints import UNUSABLE, read_checkpoint, unusable
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.module import HvqModule
from hvqcgic.training.provenance import joined, recorded
from hvqcgic.training.stage_module import StageModule
from hvqcgic.training.thaw import thawed_checkpoint

BACKBONE = ("model.encoder.", "model.decoder.", "model.quantiser.")
"""Parts that a checkpoint must hold to start a training."""
PROXY = "model.proxy."
PREDICTORS = ("model.prior.", "model.context.")
"""Parts that predict indices."""
READERS = tuple(f"model.decoder.{name}.weight" for name in ("stem", "medium_condition", "fine_condition"))
"""Weights through which a decoder reads codes and, after them, the index prior's parameters."""


def is_model(path: Path) -> bool:
    """Whether a starting file is a frozen model: a model file, or the name of a bundled model, also a mistyped one."""
    name = path.name == str(path) and not path.suffix and not path.exists()
    return str(path) in bundled_models() | retired_models() or path.suffix == MODEL_SUFFIX or name


@dataclass(frozen=True)
class StartFacts:
    """What a starting file says of itself.

    Attributes:
        stage: that wrote it, None for a frozen model.
        lmbda: of its joint training; None without one, or where the file does not say.
        config: of its model.
    """

    stage: Stage | None
    lmbda: float | None
    config: ModelConfig

    @property
    def codes_files(self) -> bool:
        """Whether its entropy model is trained."""
        return self.stage != "backbone"


def start_facts(path: Path) -> StartFacts:
    """Read what a starting file says of itself; errors as in `model_options`.

    A frozen model says lambda in its card, in words: `joint 1700 at lambda 0.08`.
    """
    if is_model(path):
        summary = read_summary(find_model(path))
        said = re.search(r"lambda (\d*\.?\d+)", str(summary.card.get("steps", "")))
        return StartFacts(None, float(said[1]) if said else None, config_of(summary))
    found = read_checkpoint(path)["hyper_parameters"]
    try:
        stage, config = found["stage"], ModelConfig.from_dict(found["model"])
        lmbda = TrainingConfig.from_dict(found["training"]).lmbda if stage == "joint" else None
    except UNUSABLE as error:
        raise unusable(path, error) from error
    return StartFacts(stage, lmbda, config)


def model_options(path: Path) -> dict[str, Any]:
    """Model options of a starting file, by the names that `python -m hvqcgic.train` has for them.

    Raises:
        ConfigError: the file is no checkpoint.
        ModelError: there is no such model, or its file is damaged.
    """
    return dataclasses.asdict(start_facts(path).config)


def load_weights(module: HvqModule, paths: Sequence[Path], stage_before: Sequence[Path] = ()) -> None:
    """Load starting weights from checkpoints or frozen models; later files replace weights of earlier ones.

    If a checkpoint has a moving average, the average is used, because it was validated and would be exported. From a
    checkpoint of stage backbone the entropy networks are not used, because they are untrained; it therefore replaces
    only the backbone of an earlier file. A decoder that reads the index prior's parameters can start from one that does
    not; the additional weights are 0. Context networks with a hyperprior can start from those without one: the weights
    of the hints are 0, so that the first step predicts as before. If no file has a trained index prior, the index prior
    starts from the usage counts of the codes. The proxy decoder is that of the last file, if it fits.

    Args:
        module: with random weights.
        paths: in the order of the command.
        stage_before: the checkpoint of the previous stage, loaded last.

    Raises:
        ConfigError: a file is no checkpoint, its backbone has other shapes, later files replace all of its weights, or
            the stage needs a backbone and has none.
    """
    predicts, loaded = False, set[str]()
    taken: dict[str, Path] = {}
    for path in (*paths, *stage_before):
        checkpoint = thawed_checkpoint(path) if is_model(path) else read_checkpoint(path)
        module.trained_on = joined([module.trained_on, recorded(checkpoint)])
        untrained = checkpoint["hyper_parameters"]["stage"] == "backbone"
        module.take_proxy(checkpoint["hyper_parameters"])
        own = module.state_dict()
        kept = (*BACKBONE, "discriminator.") if untrained else ("",)
        state = {key: value for key, value in weights_of(checkpoint).items() if key.startswith(kept) and key in own}
        state |= {key: _with_readings(state[key], own[key], module) for key in READERS if key in state}
        hinted = [key for key in state if _lacks_hints(state[key], own[key], key, module)]
        state |= {key: _with_hints(state[key], own[key]) for key in hinted}
        fitting = {key: value for key, value in state.items() if own[key].shape == value.shape}
        missing = sorted(key for key in own if key.startswith(BACKBONE) and key not in fitting)
        if missing:
            raise ConfigError(
                f"{path}: {missing[0]} is missing or has another shape; train with the model options of that run, or "
                "from nothing with --init none"
            )
        if any(key.startswith(PROXY) and key not in fitting for key in own):
            module.take_proxy({})
        module.load_state_dict({key: fitting[key] for key in fitting.keys() & module.state_dict().keys()}, strict=False)
        # A proxy is used together with its decoder alone.
        fitting = {key: value for key, value in fitting.items() if not key.startswith(PROXY)}
        loaded |= fitting.keys()
        taken |= dict.fromkeys((key for key in fitting if path in paths and not key.startswith("discriminator.")), path)
        predicts = predicts or all(key in fitting for key in own if key.startswith(PREDICTORS))
    _check_each_counts(paths, taken.values())
    if module.stage == "backbone":
        return
    latents = module.model.analysis
    module.new_latents = frozenset(g for g in latents if not any(k.startswith(f"model.analysis.{g}.") for k in loaded))
    if not bool(module.model.quantiser.initialised):
        raise ConfigError(
            f"stage {module.stage} needs a trained backbone: name its checkpoint with --init, or use --stage all"
        )
    if not predicts:
        module.model.prior.start(module.model.quantiser.usage, module.model.quantiser.codebook)


def _with_readings(weight: Tensor, wanted: Tensor, module: HvqModule) -> Tensor:
    """Extend decoder weights (out, in, h, w) that lack inputs of the prior or of local means by 0; else no change."""
    config, more = module.model.config, wanted.shape[1] - weight.shape[1]
    means = MEANS_CHANNELS if config.means else 0
    prior = parameter_count(config.entropy, config.code_width) if module.reads_prior else 0
    if more and more in (means, prior + means):
        return F.pad(weight, (0, 0, 0, 0, 0, more))
    if more and more == prior:
        codes, told = weight[:, : weight.shape[1] - means], weight[:, weight.shape[1] - means :]
        return torch.cat([F.pad(codes, (0, 0, 0, 0, 0, more)), told], 1)
    return weight


def _lacks_hints(weight: Tensor, wanted: Tensor, name: str, module: HvqModule) -> bool:
    """Whether weights (out, in, h, w) of a context network's first layer lack the inputs of a hyperprior."""
    first = name.startswith("model.context.") and name.endswith(".0.convolution.weight")
    most = max(module.model.hint_count(g) for g in GRANULARITIES)
    return first and 0 < wanted.shape[1] - weight.shape[1] <= most


def _with_hints(weight: Tensor, wanted: Tensor) -> Tensor:
    """Extend weights of a first layer by weights of 0 for hints, which are its first inputs; else no change."""
    return F.pad(weight, (0, 0, 0, 0, wanted.shape[1] - weight.shape[1], 0))


def _check_each_counts(paths: Sequence[Path], taken: Collection[Path]) -> None:
    """Raise `ConfigError` for a file outside `taken`, whose weights have all been replaced."""
    idle = [path for path in paths if path not in taken]
    if idle:
        raise ConfigError(
            f"--init {idle[0]}: later files replace all of its weights; leave it out, or name it last: from a "
            "checkpoint of stage backbone only the backbone is used"
        )


def frozen_model(start: Sequence[Path], stage: Stage) -> FrozenModel:
    """Read the frozen model that --init names first, for a stage that trains a network for it.

    Raises:
        ConfigError: --init names no frozen model first.
        ModelError: there is no such model, or its file is damaged.
    """
    if not start or not is_model(start[0]):
        named = f"--init {start[0]}" if start else "no --init"
        raise ConfigError(
            f"stage {stage}, {named}: it needs a frozen model; name a bundled one or a model file, which "
            "`python -m hvqcgic.export` makes from a checkpoint"
        )
    return read_model(start[0])


def load_network(module: BehindModelStage, paths: Sequence[Path]) -> None:
    """Load the network of a stage from checkpoints of that stage with the same frozen model.

    Raises:
        ConfigError: a file is no such checkpoint, its networks have other shapes, or later files replace all of it.
    """
    _check_each_counts(paths, paths[-1:])
    stage = module.stage
    for path in paths:
        checkpoint = read_checkpoint(path)
        found = checkpoint["hyper_parameters"]
        if (found.get("stage"), found.get("fingerprint")) != (stage, module.hparams["fingerprint"]):
            raise ConfigError(f"{path}: no checkpoint of stage {stage} behind this model; leave it out of --init")
        module.trained_on = joined([module.trained_on, recorded(checkpoint)])
        state, own = weights_of(checkpoint), module.state_dict()
        fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
        if missing := sorted(name for name in own if name.startswith(f"{stage}.") and name not in fitting):
            raise ConfigError(
                f"{path}: {missing[0]} is missing or has another shape; train with the --{stage} options of that run"
            )
        module.load_state_dict(fitting, strict=False)


def start_from(module: StageModule, start: Sequence[Path], stage_before: Sequence[Path] = ()) -> None:
    """Load starting weights into a new module; errors as in `load_weights` and `load_network`."""
    if isinstance(module, BehindModelStage):
        # The first file is the frozen model.
        load_network(module, start[1:])
    else:
        assert isinstance(module, HvqModule)
        load_weights(module, start, stage_before)
