"""A small Control-GIC of random weights, and its checkpoint under the published names."""

from pathlib import Path

import torch
from control_gic_model import COUNTER, published_name, shadow_name
from torch import Tensor

from hvqcgic.models.config import ControlGicConfig, EntropyConfig, ModelConfig
from hvqcgic.models.network import HvqModel

SMALL_CONTROL_GIC = ModelConfig(
    name="control-gic",
    codebook_size=12,
    entropy=EntropyConfig(
        embedding_width=6, hyper_width=8, synthesis_channels=4, context_width=8, z_channels=(2, 2, 2)
    ),
    control_gic=ControlGicConfig(8, (1, 2, 1, 2, 2), 1, (3,), norm_groups=4),
)


def build(config: ModelConfig = SMALL_CONTROL_GIC, *, seed: int = 0) -> HvqModel:
    """A model whose random codes are as far apart as its features are, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = HvqModel(config).eval()
        model.quantiser.codebook.copy_(torch.randn(config.codebook_size, config.code_width) * 0.3)
    model.quantiser.initialised.fill_(True)
    return model


def published_state(model: HvqModel, *, ema: bool = False) -> dict[str, Tensor]:
    """The model's weights and some counters under published names; with shadows, where asked for, of twice the size."""
    kept = ("encoder.", "decoder.", "quantiser.codebook")
    weights = {published_name(name): w.clone() for name, w in model.state_dict().items() if name.startswith(kept)}
    state = dict(weights)
    for index in sorted(range(model.config.codebook_size), key=str):
        state[f"{COUNTER}{index}"] = torch.tensor([float(index * index + 0.5)])
    if ema:
        state |= {shadow_name(name): 2 * weight for name, weight in weights.items()}
        state["ema_encoder.decay"] = torch.tensor(0.9999)
    return state


def wide_enough() -> ModelConfig:
    """SMALL_CONTROL_GIC with the 32 groups that an import supposes."""
    entropy = EntropyConfig(form="learned", embedding_width=24, z_channels=(4, 4, 4), context_width=64)
    network = ControlGicConfig(32, (1, 1, 1, 2, 2), 1, (3,))
    return ModelConfig(name="x", codebook_size=12, entropy=entropy, control_gic=network)


def save(state: object, path: Path) -> Path:
    """As a training would leave it."""
    torch.save(state, path)
    return path
