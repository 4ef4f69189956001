"""Context passes: networks that predict the cells of each pass from the passes before (design, section 3).

Inputs of a pass's network are the hyper-synthesis of its granularity, the codes of all earlier passes resampled to its
grid, and the granularity map. The output is the index prior's parameters of the pass's cells. Training runs all passes
of a batch at once. Coding runs them one after the other, with integers.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.bitstream import GRANULARITIES, Pass
from hvqcgic.models.config import EntropyConfig
from hvqcgic.models.granularity import GranularityMap, repeat
from hvqcgic.models.sequential import ClampedConv, PowerLeaky


def phase_mask(step: Pass, grid: Tensor) -> Tensor:
    """Positions of a pass's phase, bool, (h, w), on the grid of a tensor (..., h, w)."""
    height, width = grid.shape[-2:]
    tile = torch.tensor(step.tile, device=grid.device)
    return tile.repeat(-(-height // 2), -(-width // 2))[:height, :width]


def context_network(config: EntropyConfig, step: Pass, *, code_width: int, hints: int, outputs: int) -> nn.Sequential:
    """Build the network of one pass; it can be frozen to integers.

    Args:
        config: widths.
        step: the pass.
        code_width: d.
        hints: S, channels of hyper-synthesis; 0 for a granularity without a hyperprior.
        outputs: P, number of the index prior's parameters of a cell.
    Returns:
        a network from (B, S + d + 4, h, w), see `pass_input`, to (B, P, h, w); with four phases h and w are even, and
        the output, (B, P, h / 2, w / 2), has only the positions of the phase.
    """
    width, centred = config.context_width, hints if config.hint_kernel == 1 else 0
    stride, offset = (2, step.offset) if step.phases == 4 else (1, (0, 0))
    return nn.Sequential(
        ClampedConv(hints + code_width + 4, width, 5, stride=stride, offset=offset, centred=centred),
        PowerLeaky(),
        ClampedConv(width, width, 3),
        PowerLeaky(),
        ClampedConv(width, width, 1),
        PowerLeaky(),
        ClampedConv(width, outputs, 1),
    )


def bring_masks(masks: GranularityMap, granularity: str) -> Tensor:
    """All three masks on the grid of one granularity: (B, 3, h, w), float32.

    A finer mask is 1 at positions that finer cells cover at least partly.
    """
    coarse, medium = masks.coarse, masks.medium
    if granularity == "fine":
        layers = [repeat(coarse, 4), repeat(medium, 2), masks.fine]
    elif granularity == "medium":
        below = repeat(coarse, 2)
        layers = [below, medium, ~(below | medium)]
    else:
        has_medium = F.max_pool2d(medium.float(), 2) > 0
        has_fine = F.max_pool2d(masks.fine.float(), 4) > 0
        layers = [coarse, has_medium, has_fine]
    return torch.cat(layers, 1).float()


def known_cells(step: Pass, masks: GranularityMap, codes: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The codes of all earlier passes, on the grid of a pass.

    Args:
        step: the pass.
        masks: the granularity map.
        codes: per granularity, (B, d, h_g, w_g).
    Returns:
        (canvas, (B, d, h, w), 0 where unknown; known, bool, (B, 1, h, w)).
    """
    place = GRANULARITIES.index(step.granularity)
    own = codes[step.granularity]
    earlier = torch.zeros(own.shape[-2:], dtype=torch.bool, device=own.device)
    for phase in range(step.phase):
        earlier |= phase_mask(dataclasses.replace(step, phase=phase), own)
    known = masks[step.granularity] & earlier
    canvas = own * known
    for back, coarser in enumerate(reversed(GRANULARITIES[:place]), start=1):
        mask = repeat(masks[coarser], 2**back)
        canvas = canvas + repeat(codes[coarser], 2**back) * mask
        known = known | mask
    return canvas, known


def without_codes(network: nn.Sequential, hints: int, code_width: int) -> None:
    """Make a pass's network blind to the codes of earlier passes: their weights in its first layer become 0, in place.

    Args:
        network: of `context_network`.
        hints: its S.
        code_width: its d.
    """
    first = network[0]
    assert isinstance(first, ClampedConv)
    with torch.no_grad():
        first.convolution.weight[:, hints : hints + code_width + 1] = 0


def pass_input(
    step: Pass, masks: GranularityMap, codes: dict[str, Tensor], hints: Tensor | None, *, with_codes: bool = True
) -> Tensor:
    """Input of a pass's network: hints, codes, mask of known codes, and the granularity map.

    Args:
        step: the pass.
        masks: the granularity map.
        codes: per granularity, (B, d, h_g, w_g); only cells of earlier passes are used.
        hints: (B, S, h, w) of the pass's granularity; None without a hyperprior.
        with_codes: without, codes and their mask are 0.
    Returns:
        (B, S + d + 4, h, w); with four phases zero-padded at right and bottom to even sides.
    """
    canvas, known = known_cells(step, masks, codes)
    if not with_codes:
        canvas, known = torch.zeros_like(canvas), torch.zeros_like(known)
    parts = [] if hints is None else [hints]
    x = torch.cat([*parts, canvas, known.float(), bring_masks(masks, step.granularity)], 1)
    if step.phases == 4:
        x = F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2))
    return x


def pass_cells(step: Pass, mask: Tensor) -> Tensor:
    """Mask of a pass's cells, bool, (B, 1, h, w), from the mask of its granularity."""
    return mask & phase_mask(step, mask)


def gather_parameters(step: Pass, parameters: Tensor, mask: Tensor) -> Tensor:
    """Gather the rows of a pass's cells, in batch and raster order, (N, P), from its network's output (B, P, ., .).

    Args:
        step: the pass.
        parameters: on the grid of the granularity, or on the half grid of its phase.
        mask: of the granularity, (B, 1, h, w).
    """
    if step.phases == 4:
        row, column = step.offset
        cells = mask[:, 0, row::2, column::2]
        parameters = parameters[..., : cells.shape[-2], : cells.shape[-1]]
    else:
        cells = pass_cells(step, mask)[:, 0]
    return parameters.permute(0, 2, 3, 1)[cells]
