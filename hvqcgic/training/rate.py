"""The estimated rate of a batch: index bits, hyper-latent bits, and what static coding would have cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hvqcgic.bitstream import GRANULARITIES, MEANS
from hvqcgic.entropy import FREQUENCY_BITS, code_lengths
from hvqcgic.models import (
    Codes,
    GranularityMap,
    HvqModel,
    index_bits,
    sent_positions,
    squared_distances,
    straight_through,
)
from hvqcgic.training.bundled_tables import means_coder
from hvqcgic.training.rate_gradient import Pull, pass_features, pull_bits


@dataclass(frozen=True)
class Rate:
    """Bits of a batch.

    Attributes:
        index_bits: of all indices, scalar.
        z_bits: of all hyper-latents, scalar.
        pull_bits: the term through which the rate reaches the features, scalar; 0 where it is not asked for.
        cell_bits: bits of each cell, laid out per granularity, (B, 1, h_g, w_g), without gradient.
        parameters: the index prior's parameters by pass.
    """

    index_bits: Tensor
    z_bits: Tensor
    pull_bits: Tensor
    cell_bits: dict[str, Tensor]
    parameters: dict[str, Tensor]


class HyperLatentPriors(nn.Module):
    """One factorised prior for each hyperprior (Balle et al. 2018, through CompressAI's `EntropyBottleneck`)."""

    def __init__(self, channels: dict[str, int]) -> None:
        """Args: channels: of z for each granularity that has one."""
        super().__init__()
        from hvqcgic.perceptual import import_torchvision

        import_torchvision()
        from compressai.entropy_models import EntropyBottleneck

        # A narrow start: hyper-latents begin near zero and must not cost bits before they help.
        self.priors = nn.ModuleDict({g: EntropyBottleneck(count, init_scale=2) for g, count in channels.items()})

    def bits(self, granularity: str, z: Tensor) -> Tensor:
        """Bits of each hyper-latent, (B, C, h, w); noise is added in training mode, else values count as they are."""
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
    pull: Pull | None = None,
) -> Rate:
    """Bits of a batch under the model's own predictions, all passes at once.

    Args:
        model: the model.
        priors: of the hyper-latents.
        features: of the encoder, (B, d, h_g, w_g) each.
        masks: the granularity map.
        codes: the batch, quantised.
        pull: how the rate reaches the features; None leaves `pull_bits` at 0.
    """
    z_bits, z = hyper_latent_bits(model, priors, features, masks)
    fixed = {g: codes_g.detach() for g, codes_g in codes.maps.items()}
    parameters = model.pass_parameters(masks, fixed, model.hints(z, masks))
    indices = model.pass_indices(masks, codes.index_maps)
    total, by_pass = codes.y.new_zeros(()), {}
    cell_bits = {g: torch.zeros_like(masks[g], dtype=torch.float32) for g in GRANULARITIES}
    for step in model.passes:
        place = GRANULARITIES.index(step.granularity)
        logits = model.prior(parameters[step.name], place, model.quantiser.codebook)
        bits = charged_bits(index_bits(logits, indices[step.name]), logits, training=model.training)
        total = total + bits.sum()
        cell_bits[step.granularity][model.cells(step, masks)] = bits.detach()
        by_pass[step.name] = logits
    felt = codes.y.new_zeros(()) if pull is None else pull_bits(model, features, masks, by_pass, pull)
    return Rate(total, z_bits, felt, cell_bits, parameters)


def charged_bits(bits: Tensor, logits: Tensor, *, training: bool) -> Tensor:
    """Bits that files charge: at most `FREQUENCY_BITS` above those of the cell's cheapest code.

    A Gaussian that is narrow in the wrong place makes one index cost 100 000 bits, whose gradient, clipped with all
    others, would be all that is learned. Beyond the bound bits count as their logarithm in training, so that the
    gradient of such an index still points the right way.

    Args:
        bits: of the cells' indices, (N,).
        logits: log-probabilities of the prior in bits, (N, K), up to a constant of each cell.
        training: whether the gradient is needed.
    """
    most = index_bits(logits.detach(), logits.argmax(1)) + FREQUENCY_BITS
    beyond = torch.log((bits / most).clamp(min=1)) if training else 0.0
    return torch.minimum(bits, most) * (1 + beyond)


def hyper_latent_bits(
    model: HvqModel, priors: HyperLatentPriors, features: dict[str, Tensor], masks: GranularityMap
) -> tuple[Tensor, dict[str, Tensor]]:
    """Bits of all hyper-latents, scalar, and what of them is sent: rounded, straight-through, 0 elsewhere."""
    z = model.hyper_latents(features, masks)
    bits = features["fine"].new_zeros(())
    for g, values in z.items():
        sent = sent_positions(masks[g], model.config.entropy.z_footprint)
        exact = values if model.training else values.round()
        bits = bits + (priors.bits(g, exact) * sent).sum()
        z[g] = (values + (values.round() - values).detach()) * sent
    if model.config.means is not None:
        z[MEANS], coder = features[MEANS], means_coder(model.config.means)
        bits = bits + sum(coder.bits(latents.cpu().numpy()) for latents in features[MEANS])
    return bits, z


@torch.no_grad()
def choose_by_rate(
    model: HvqModel, features: dict[str, Tensor], masks: GranularityMap, codes: Codes, eta: float
) -> Codes:
    """Codes chosen anew by distance and rate: k = argmin |y - e_k|^2 + eta * scale * bits(k).

    Bits are those under the prior that the nearest codes give; what a choice costs later passes is not seen.

    Args:
        model: the model.
        features: of the encoder.
        masks: the granularity map.
        codes: the nearest codes; their scale is the mean squared distance to them.
        eta: weight of a bit, in units of that scale.
    Returns:
        the codes as `HvqModel.lay_out` gives them, with the straight-through gradient to `codes.y`.
    """
    fixed = {g: codes_g.detach() for g, codes_g in codes.maps.items()}
    parameters = model.predict(features, masks, fixed)
    y, codebook = pass_features(model, features, masks), model.quantiser.codebook
    scale = codebook.shape[1] * codes.quantised.commitment.mean().clamp(min=1e-6)
    chosen = {g: torch.zeros_like(masks[g], dtype=torch.int64) for g in GRANULARITIES}
    for step in model.passes:
        logits = model.prior(parameters[step.name], GRANULARITIES.index(step.granularity), codebook)
        cost = squared_distances(y[step.name], codebook) - eta * scale * logits
        chosen[step.granularity][model.cells(step, masks)] = cost.argmin(1)
    indices = torch.cat([chosen[g][masks[g]] for g in GRANULARITIES])
    with torch.enable_grad():
        return model.lay_out(codes.y, straight_through(codes.y, codebook[indices], indices), masks)


def arithmetic_lengths(usage: Tensor) -> Tensor:
    """Bits of each index under static arithmetic coding with usage counts, (3, K) in and out."""
    return -torch.log2((usage + 1) / (usage + 1).sum(1, keepdim=True))


def huffman_lengths(usage: Tensor) -> Tensor:
    """Bits of each index under a Huffman code of usage counts, (3, K) in and out."""
    lengths = [code_lengths(counts) for counts in usage.round().cpu().numpy()]
    return torch.from_numpy(np.stack(lengths)).to(usage)


def static_bits(lengths: Tensor, codes: Codes) -> Tensor:
    """Bits of all indices, scalar, where each code has its length, (3, K) bits, in each granularity."""
    parts = codes.quantised.indices.split(codes.counts)
    return torch.stack([lengths[place][rows].sum() for place, rows in enumerate(parts)]).sum()
