"""The estimated rate of a batch: index bits, hyper-latent bits, and what static coding would have cost."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvqcgic.models.granularity import GranularityMap
from hvqcgic.models.hyperprior import sent_positions
from hvqcgic.models.index_prior import index_bits
from hvqcgic.models.network import HvqModel
from hvqcgic.models.picture_model import Codes
from hvqcgic.schedule import GRANULARITIES
from hvqcgic.training.losses import soft_bits


@dataclass(frozen=True)
class Rate:
    """Bits of a batch.

    Attributes:
        index_bits: of all indices, scalar.
        z_bits: of all hyper-latents, scalar.
        soft_bits: the soft choice's cross-entropy, for its gradient, scalar; 0 where it is not asked for.
        cell_bits: bits of each cell, laid out per granularity, (B, 1, h_g, w_g), without gradient.
        parameters: the index prior's parameters by pass.
    """

    index_bits: Tensor
    z_bits: Tensor
    soft_bits: Tensor
    cell_bits: dict[str, Tensor]
    parameters: dict[str, Tensor]


class HyperLatentPriors(nn.Module):
    """One factorised prior for each hyperprior (Balle et al. 2018, through CompressAI's `EntropyBottleneck`)."""

    def __init__(self, channels: dict[str, int]) -> None:
        """Args: channels: of z for each granularity that has one."""
        super().__init__()
        from hvqcgic.training.torchvision_shim import import_torchvision

        import_torchvision()
        from compressai.entropy_models import EntropyBottleneck

        # A narrow start: hyper-latents begin near zero and must not cost bits before they help.
        self.priors = nn.ModuleDict({g: EntropyBottleneck(count, init_scale=2) for g, count in channels.items()})

    def bits(self, granularity: str, z: Tensor) -> Tensor:
        """Bits of each hyper-latent, (B, C, h, w); noise is added in training mode, values are taken as they are otherwise."""
        prior = self.priors[granularity]
        if self.training:
            likelihood = prior(z)[1]
        else:
            channels = z.shape[1]
            rows = z.permute(1, 0, 2, 3).reshape(channels, 1, -1)
            found = prior._likelihood(rows)  # pyright: ignore[reportCallIssue]
            likelihood = found[0] if isinstance(found, tuple) else found
            likelihood = likelihood.view(channels, z.shape[0], *z.shape[2:]).permute(1, 0, 2, 3)
        return -torch.log2(likelihood.clamp(min=1e-9))


def estimate_rate(
    model: HvqModel,
    priors: HyperLatentPriors,
    features: dict[str, Tensor],
    masks: GranularityMap,
    codes: Codes,
    *,
    tau: float = 0.0,
) -> Rate:
    """Bits of a batch under the model's own predictions, all passes at once.

    Args:
        model: the model.
        priors: of the hyper-latents.
        features: of the encoder, (B, d, h_g, w_g) each.
        masks: the granularity map.
        codes: the batch, quantised.
        tau: temperature of the soft rate; 0 leaves it out.
    """
    z = model.hyper_latents(features, masks)
    z_bits = codes.y.new_zeros(())
    for g, values in z.items():
        sent = sent_positions(masks[g])
        exact = values if model.training else values.round()
        z_bits = z_bits + (priors.bits(g, exact) * sent).sum()
        z[g] = (values + (values.round() - values).detach()) * sent
    fixed = {g: codes_g.detach() for g, codes_g in codes.maps.items()}
    parameters = model.pass_parameters(masks, fixed, model.hints(z, masks))
    indices = model.pass_indices(masks, codes.index_maps)
    total, soft = codes.y.new_zeros(()), codes.y.new_zeros(())
    cell_bits = {g: torch.zeros_like(masks[g], dtype=torch.float32) for g in GRANULARITIES}
    y = pass_features(model, features, masks) if tau > 0 else {}
    for step in model.passes:
        place = GRANULARITIES.index(step.granularity)
        logits = model.prior(parameters[step.name], place, model.quantiser.codebook)
        bits = index_bits(logits, indices[step.name])
        total = total + bits.sum()
        cells = model.cells(step, masks)
        cell_bits[step.granularity][cells] = bits.detach()
        if tau > 0:
            soft = soft + soft_bits(y[step.name], model.quantiser.codebook, logits.detach(), tau).sum()
    return Rate(total, z_bits, soft, cell_bits, parameters)


def pass_features(model: HvqModel, features: dict[str, Tensor], masks: GranularityMap) -> dict[str, Tensor]:
    """Features of every pass's cells, (N_pass, d), in the order of `HvqModel.pass_indices`."""
    return {s.name: features[s.granularity].permute(0, 2, 3, 1)[model.cells(s, masks)[:, 0]] for s in model.passes}


def static_bits(usage: Tensor, codes: Codes) -> Tensor:
    """Bits of all indices under the usage counts of their granularities, (3, K): what static arithmetic coding costs."""
    share = (usage + 1) / (usage + 1).sum(1, keepdim=True)
    table = -torch.log2(share)
    parts = codes.quantised.indices.split(codes.counts)
    return torch.stack([table[place][rows].sum() for place, rows in enumerate(parts)]).sum()
