"""The start of new hyper-latents: as wide as a few steps of rounding, so that rounding leaves something of them.

Networks of random weights give hyper-latents of a hundredth to a tenth of a step. All are then rounded to 0, tell
nothing, and are priced away before they can.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from hvqcgic.models import GranularityMap, HvqModel, sent_positions
from hvqcgic.training.ranks import gather_parts

WIDTH = 1.5
"""Standard deviation of a channel at the start, in steps of rounding."""


@torch.no_grad()
def start_hyper_latents(
    model: HvqModel, features: dict[str, Tensor], masks: GranularityMap, granularities: Iterable[str]
) -> None:
    """Scale the last layers of hyper-analyses, in place; all processes scale them equally.

    Args:
        model: whose hyper-analyses of some granularities have random weights.
        features: of a batch, (B, d, h_g, w_g) each.
        masks: its granularity map.
        granularities: those that start; one without a cell in the batch stays as it is.
    """
    # New hyper-latents differ by so little that bfloat16 may not tell them apart.
    with torch.autocast(features["fine"].device.type, enabled=False):
        found = model.hyper_latents(features, masks)
    for g, z in found.items():
        if g not in granularities:
            continue
        sent = sent_positions(masks[g], model.config.entropy.z_footprint)[:, 0]
        values = gather_parts([z.permute(0, 2, 3, 1)[sent]])
        if len(values) < 2:
            continue
        last = [layer for layer in model.analysis[g].modules() if isinstance(layer, nn.Conv2d)][-1]
        gain = WIDTH / values.std(0).clamp(min=1e-6)
        last.weight.mul_(gain[:, None, None, None])
        if last.bias is not None:
            last.bias.sub_(values.mean(0)).mul_(gain)
