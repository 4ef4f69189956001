"""Freezing: convert a checkpoint to a model file that codes and decodes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.entropy import FrozenMeans, Precision, freeze
from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.model_files import FrozenModel, frozen_proxy, network_weights
from hvqcgic.models import HvqModel, ModelConfig, describe
from hvqcgic.training.average import weights_of
from hvqcgic.training.bundled_tables import map_coder, means_table
from hvqcgic.training.checkpoints import UNUSABLE, read_checkpoint, unusable
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.module import HvqModule
from hvqcgic.training.provenance import recorded
from hvqcgic.training.rate import HyperLatentPriors
from hvqcgic.training.sources import embedded_split, find_shards
from hvqcgic.training.validation import measure

HALF_PRECISION_LIMIT_DB = 0.02
"""Largest loss of PSNR by float16 weights."""


def load_module(path: str | Path, *, raw: bool = False) -> HvqModule:
    """Load the module of a checkpoint, in evaluation mode.

    Args:
        path: of the checkpoint.
        raw: use the weights of the last step, also if the checkpoint has a moving average.

    Raises:
        ConfigError: the file cannot be read, or is no checkpoint of this project.
    """
    checkpoint = read_checkpoint(Path(path))
    try:
        settings = checkpoint["hyper_parameters"]
        config = ModelConfig.from_dict(settings["model"])
        module = HvqModule(config, TrainingConfig.from_dict(settings["training"]), settings["stage"], None)
        module.take_proxy(settings)
        module.load_state_dict(weights_of(checkpoint, raw=raw))
        module.trained_on = recorded(checkpoint)
    except UNUSABLE as error:
        raise unusable(path, error) from error
    return module.eval()


def freeze_model(
    model: HvqModel,
    priors: HyperLatentPriors,
    *,
    card: dict[str, Any] | None = None,
    name: str | None = None,
    half: bool | None = None,
) -> FrozenModel:
    """Freeze a model in its present state.

    Args:
        model: trained, or at least with an initialised codebook.
        priors: of its hyper-latents.
        card: data, steps, hardware, figures, for the file.
        name: of the model; None for the name in its configuration.
        half: True for float16 network weights, False for float32; None for float32 only with Control-GIC's networks.

    Raises:
        ModelError: the codebook is not initialised, a weight is not finite, or an integer network could leave the exact
            range; the message names the layer.
    """
    if not bool(model.quantiser.initialised):
        raise ModelError(f"model {model.config.name}: its codebook was never started; train stage backbone first")
    config = model.config if name is None else ModelConfig.from_dict(model.config.to_dict() | {"name": name})
    networks = network_weights(model.state_dict(), half=config.control_gic is None if half is None else half)
    entropy, prior = config.entropy, model.prior
    frozen = freeze(
        codebook=networks["quantiser.codebook"].astype(np.float64),
        schedule=entropy.schedule,
        form=entropy.form,
        context={step.name: model.described_context(step) for step in model.passes},
        synthesis={g: describe(network) for g, network in model.synthesis.items()},  # pyright: ignore[reportArgumentType]
        z_pmf={g: hyper_latent_pmf(priors, g, channels, entropy.z_limit) for g, channels in model.z_channels.items()},
        usage=model.quantiser.usage.cpu().numpy().round(),
        map_tables=map_coder(),
        log_prior=_float64(prior.log_prior) if entropy.log_prior else None,
        features=_float64(prior.features) if entropy.learns_embedding else None,
        precision=Precision(entropy.activation_bits, entropy.weight_bits, entropy.activation_limit),
        decoder_prior=config.backbone.decoder_prior,
        means=frozen_means(model),
        z_footprint=entropy.z_footprint,
    )
    proxy = None if model.proxy is None else frozen_proxy(model.proxy)
    return FrozenModel(config, networks, frozen.spec, frozen.arrays, card or {}, proxy=proxy)


def frozen_means(model: HvqModel) -> FrozenMeans | None:
    """Local means of a model for `freeze`; None for a model without."""
    config = model.config.means
    if config is None:
        return None
    layers = {g: describe(network) for g, network in model.means_synthesis.items()}  # pyright: ignore[reportArgumentType]
    return FrozenMeans(config.block_px, means_table(config), layers)


@torch.no_grad()
def hyper_latent_pmf(priors: HyperLatentPriors, granularity: str, channels: int, limit: int) -> NDArray[np.float64]:
    """Probabilities of the integers -limit ... limit under a factorised prior, (C_z, 2 limit + 1); rows sum to 1."""
    values = torch.arange(-limit, limit + 1, dtype=torch.float32, device=next(priors.parameters()).device)
    z = values.expand(1, channels, 1, -1)
    was_training = priors.training
    bits = priors.eval().bits(granularity, z)[0, :, 0]
    priors.train(was_training)
    pmf = torch.exp2(-bits.double())
    return (pmf / pmf.sum(1, keepdim=True)).cpu().numpy()


def pictures_to_check(source: str | None, count: int = 8) -> list[Tensor]:
    """Read pictures for measuring the loss by float16, (3, H, W) each, float32 in [0, 1].

    Args:
        source: folder, tar file or pattern of tar files; None for the default validation pictures.
        count: largest number of pictures.

    Raises:
        ConfigError: no picture can be read.
    """
    shards = embedded_split(0).val if source is None else find_shards(source)
    found: list[NDArray[Any]] = []
    for shard in shards:
        if len(found) < count:
            found += shard.keep(shard.names[: count - len(found)]).read()
    if not found:
        raise ConfigError(f"{source}: none of its pictures can be read; give others with --val")
    return [torch.from_numpy(picture).permute(2, 0, 1).float() / 255 for picture in found]


def check_half_precision(
    model: HvqModel, priors: HyperLatentPriors, frozen: FrozenModel, pictures: Sequence[Tensor]
) -> float:
    """Loss of PSNR by float16 weights, in decibels, see `half_precision_cost_db`; 0 for float32 weights.

    Raises:
        ModelError: the loss exceeds HALF_PRECISION_LIMIT_DB.
    """
    cost = half_precision_cost_db(model, priors, frozen, pictures) if frozen.is_half else 0.0
    if not cost <= HALF_PRECISION_LIMIT_DB:
        raise ModelError(
            f"model {frozen.config.name}: float16 weights cost {cost:.3f} dB, over the limit of "
            f"{HALF_PRECISION_LIMIT_DB} dB; train on with a smaller learning rate"
        )
    return cost


def half_precision_cost_db(
    model: HvqModel, priors: HyperLatentPriors, frozen: FrozenModel, pictures: Sequence[Tensor]
) -> float:
    """Loss of PSNR by float16 weights at the default ratios, in decibels: the mean over pictures.

    Args:
        model: as trained.
        priors: of its hyper-latents.
        frozen: the same model, frozen.
        pictures: (3, H, W) each, in [0, 1].
    """
    halved = copy.deepcopy(model)
    weights = {name: torch.from_numpy(array.astype(np.float32)) for name, array in frozen.networks.items()}
    halved.load_state_dict(weights, strict=False)
    ratios = model.config.default_ratios
    # The rate estimate is needed only for a decoder that reads the prior.
    rate_priors = priors if model.config.backbone.decoder_prior else None
    costs = []
    for picture in pictures:
        full = measure(model, rate_priors, picture, ratios, perceptual=None).psnr_db
        costs.append(full - measure(halved.eval(), rate_priors, picture, ratios, perceptual=None).psnr_db)
    return float(np.mean(costs))


def _float64(values: Tensor) -> NDArray[np.float64]:
    return values.detach().double().cpu().numpy()
