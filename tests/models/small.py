"""Small models and pictures for the tests of this folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.models.config import BackboneConfig, EntropyConfig, ModelConfig
from hvqcgic.models.granularity import GranularityMap, Ratios, granularity_map
from hvqcgic.models.network import HvqModel

CONFIGS = Path(__file__).parents[2] / "hvqcgic/configs"

PAPER = ("coarse", "medium", "fine")
CHECKERBOARD = ("coarse", "medium/0", "medium/1", "fine/0", "fine/1")
SEVEN_PASSES = ("coarse", "medium/0", "medium/1", "fine/0", "fine/1", "fine/2", "fine/3")
TEN_PASSES = ("coarse/0", "coarse/1", *(f"{g}/{phase}" for g in ("medium", "fine") for phase in range(4)))
SCHEDULES = (PAPER, CHECKERBOARD, SEVEN_PASSES, TEN_PASSES)

SMALL = ModelConfig(
    name="small",
    codebook_size=16,
    code_width=3,
    backbone=BackboneConfig((6, 8, 8, 8), (0, 1, 1, 1), (6, 8, 8, 8), (1, 1, 1, 1)),
    entropy=EntropyConfig(
        embedding_width=5, hyper_width=8, synthesis_channels=4, context_width=12, z_channels=(2, 0, 1)
    ),
)

MIXED: Ratios = (0.4, 0.35, 0.25)
CORNERS: tuple[Ratios, ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def published_config(name: str) -> ModelConfig:
    """The model of a published training configuration."""
    return ModelConfig.from_dict(yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))["model"])


def variant(*, backbone: dict[str, Any] | None = None, **entropy: Any) -> ModelConfig:
    """SMALL with some fields of its backbone and its entropy model changed."""
    return replace(
        SMALL, backbone=replace(SMALL.backbone, **(backbone or {})), entropy=replace(SMALL.entropy, **entropy)
    )


def build(config: ModelConfig, seed: int = 0) -> HvqModel:
    """A model with reproducible random weights and a random codebook, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = HvqModel(config).eval()
        model.quantiser.codebook.copy_(torch.randn(config.codebook_size, config.code_width))
    model.quantiser.initialised.fill_(True)
    return model


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Numbers in [0, 1), the same at each call."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def random_masks(batch: int, rows: int, columns: int, *, ratios: Ratios = MIXED, seed: int = 0) -> GranularityMap:
    """Granularity maps of noise, with cells of all sizes side by side; rows and columns of coarse cells."""
    # Patches of differing contrast, so that the order of their entropies is not the order of their positions.
    contrast = noise(batch, 1, 2 * rows, 2 * columns, seed=seed + 1).repeat_interleave(8, -2).repeat_interleave(8, -1)
    picture = noise(batch, 3, 16 * rows, 16 * columns, seed=seed) * contrast
    return granularity_map(picture, [ratios] * batch, 0.065)


def random_indices(model: HvqModel, masks: GranularityMap, seed: int = 0) -> dict[str, Tensor]:
    """Indices at every position of every granularity, whether or not it holds a cell: int64, (B, 1, h_g, w_g)."""
    generator = torch.Generator().manual_seed(seed)
    size = model.config.codebook_size
    return {g: torch.randint(size, tuple(masks[g].shape), generator=generator) for g in GRANULARITIES}


def code_maps(model: HvqModel, indices: dict[str, Tensor]) -> dict[str, Tensor]:
    """Codes of index maps, (B, d, h_g, w_g)."""
    return {g: model.quantiser.codebook[values[:, 0]].permute(0, 3, 1, 2) for g, values in indices.items()}
