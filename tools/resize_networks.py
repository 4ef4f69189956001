r"""Changes widths and numbers of blocks of a checkpoint's networks, as a trained start for other network sizes.

    python -m tools.resize_networks RUN/backbone.ckpt -o WIDER.ckpt \
        --model.backbone.encoder_widths '[32, 80, 96, 96]' --model.backbone.decoder_widths '[32, 80, 96, 96]'
    python -m hvqcgic.train --stage backbone --init WIDER.ckpt --data PICTURES --out RUN2

Takes the model options of `python -m hvqcgic.train`: widths and blocks of the picture networks, and `context_width` of
the entropy model. Additional channels and blocks start with random weights, but no existing layer
reads the channels, and the blocks change nothing (Chen et al. 2016, Net2Net): the networks compute what they did.
Blocks that a stage has no more are left out, the last ones first; what follows them has to be trained again. Moving
averages of weights become the weights. Prints how many weights there are. Exit codes: 0 done; 2 a checkpoint, an option
or an output that cannot be used.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from jsonargparse import ArgumentError
from torch import Tensor

from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import check_output, one_line
from hvqcgic.models import ModelConfig
from hvqcgic.training import HvqModule, load_module, parse_options
from tools.resize_codebook import write

BACKBONE = ("encoder_widths", "encoder_blocks", "decoder_widths", "decoder_blocks")
ENTROPY = ("context_width",)
BLOCK = re.compile(r"model\.(encoder|decoder)\.stages\.\d\.\d+\.")


def check_changes(old: ModelConfig, new: ModelConfig) -> None:
    """Raise ConfigError if no option changes, or an option that cannot be changed."""
    backbone = dataclasses.replace(old.backbone, **{name: getattr(new.backbone, name) for name in BACKBONE})
    entropy = dataclasses.replace(old.entropy, **{name: getattr(new.entropy, name) for name in ENTROPY})
    if dataclasses.replace(old, backbone=backbone, entropy=entropy) != new or new == old:
        raise ConfigError(
            f"change {', '.join(f'--model.backbone.{name}' for name in BACKBONE)}, "
            f"{' or '.join(f'--model.entropy.{name}' for name in ENTROPY)}, and nothing else of the model"
        )


def grown(name: str, old: Tensor, fresh: Tensor) -> Tensor:
    """Enlarge a weight (outputs, inputs, ...) or bias (outputs,).

    Raises:
        ConfigError: the new size is smaller.
    """
    if old.shape == fresh.shape:
        return old
    if any(before > after for before, after in zip(old.shape, fresh.shape, strict=True)):
        raise ConfigError(f"{name} is {tuple(old.shape)} and was to be {tuple(fresh.shape)}; channels only grow")
    made = fresh.clone()
    made[: len(old)] = 0
    made[tuple(slice(size) for size in old.shape)] = old
    return made


def resized(module: HvqModule, config: ModelConfig) -> HvqModule:
    """Build the module with other networks, which compute the same output unless blocks were removed.

    Raises:
        ConfigError: a network would become narrower.
    """
    made = HvqModule(config, module.options, module.stage, None)
    old, state = module.state_dict(), made.state_dict()
    for name, fresh in state.items():
        if name in old:
            state[name] = grown(name, old[name], fresh)
        elif BLOCK.match(name) and ".second." in name:
            state[name] = torch.zeros_like(fresh)
    made.load_state_dict(state)
    return made.eval()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; exit code: see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="checkpoint of a training")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the new checkpoint")
    parser.add_argument("--seed", type=int, default=0, help="seed of new weights (%(default)s)")
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    options, others = parser.parse_known_args(arguments)
    try:
        check_output(options.checkpoint, options.output, force=options.force)
        module = load_module(options.checkpoint)
        found = parse_options(["--init", str(options.checkpoint), *others])
        config = ModelConfig.from_dict(found.model.as_dict())
        check_changes(module.model.config, config)
        torch.manual_seed(options.seed)
        made = resized(module, config)
        write(made, options.output, force=options.force)
    except (ArgumentError, HvqcgicError) as error:
        print(f"resize_networks: {one_line([error])}", file=sys.stderr)
        return 2
    before, after = (sum(weight.numel() for weight in each.model.parameters()) for each in (module, made))
    print(f"{options.output}: {after} weights in place of {before}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
