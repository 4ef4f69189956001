"""Gives a checkpoint fewer codes: a model to train on, where one of more codes was trained.

    python tools/resize_codebook.py RUN/joint.ckpt --codes 512 -o RESIZED.ckpt
    python -m hvqcgic.train --stage joint --init RESIZED.ckpt --data PICTURES --out RUN2 --model.codebook_size 512

Codes are merged by k-means, each as heavy as it is often used. The index prior knows a new code by the old ones that it
comes from: probabilities add up, features are their mean. Moving averages of weights become the weights. Exit codes: 0
done; 2 a checkpoint or an output that cannot be used.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import check_output, one_line
from hvqcgic.models import VectorQuantiser, nearest_codes
from hvqcgic.training import HvqModule, load_module
from hvqcgic.training.checkpoints import write_checkpoint

COPIES = 20
"""Copies of a code of mean use in a weighted k-means."""


def merge(codebook: Tensor, weights: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Merge codes by a weighted k-means; each new code is the weighted mean of its old codes, and none is empty.

    Args:
        codebook: (K, d).
        weights: usage of each code, (K,).
        size: number of new codes, below K.
        generator: source of initial codes.
    Returns:
        new codes, (size, d); 1 for each old code in a new one, else 0, (K, size).
    """
    copies = (weights / weights.mean() * COPIES).round().clamp(min=1).long()
    merged = VectorQuantiser(size, codebook.shape[1])
    merged.start(codebook.repeat_interleave(copies, 0), generator, iterations=30)
    groups = nearest_codes(codebook, merged.codebook)
    for empty in (torch.bincount(groups, minlength=size) == 0).nonzero().flatten():
        crowded = torch.bincount(groups, minlength=size)[groups] > 1
        apart = (codebook - merged.codebook[groups]).square().sum(1)
        groups[torch.where(crowded, apart, -1.0).argmax()] = empty
    flow = nn.functional.one_hot(groups, size).to(codebook)
    return flow.t() @ (codebook * weights[:, None]) / (weights @ flow)[:, None], flow


def resized(module: HvqModule, codebook: Tensor, flow: Tensor) -> HvqModule:
    """The module with other codes, (K', d), each of the old ones that `flow`, (K, K'), has a 1 for."""
    old, state, name = module.model.config, module.state_dict(), "model.quantiser."
    weights = state[name + "cluster_size"]
    size = weights @ flow
    for key, value in (("cluster_size", size), ("codebook", codebook), ("cluster_sum", codebook * size[:, None])):
        state[name + key] = value
    state[name + "usage"] = state[name + "usage"] @ flow
    prior = state["model.prior.log_prior"]
    state["model.prior.log_prior"] = torch.log2(torch.exp2(prior.double()) @ flow.double()).to(prior.dtype)
    if old.entropy.learns_embedding:
        features = state["model.prior.features"] * weights[:, None]
        state["model.prior.features"] = flow.t() @ features / size[:, None]
    made = HvqModule(dataclasses.replace(old, codebook_size=len(codebook)), module.options, module.stage, None)
    made.load_state_dict(state)
    return made.eval()


def write(module: HvqModule, path: Path, *, force: bool) -> None:
    """Write a checkpoint that can start a training.

    Raises:
        OutputError: it cannot be written, or exists already.
    """
    parameters = {"model": module.model.config.to_dict(), "training": vars(module.options), "stage": module.stage}
    content = {"state_dict": module.state_dict(), "hyper_parameters": parameters, "step_index": 0}
    write_checkpoint(content, path, force=force)


def check_resize(module: HvqModule, path: Path, codes: int) -> None:
    """Raises ConfigError where a checkpoint's codebook cannot be merged into that many codes."""
    old = module.model.config.codebook_size
    if not bool(module.model.quantiser.initialised):
        raise ConfigError(f"{path}: its codebook was never started; train stage backbone first")
    if not 2 <= codes < old:
        raise ConfigError(f"--codes is {codes}, and {path} has {old}; use 2 to {old - 1}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; exit code: see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="of a training")
    parser.add_argument("--codes", type=int, required=True, help="how many: fewer than before")
    parser.add_argument("--seed", type=int, default=0, help="of k-means (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the new checkpoint")
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    options = parser.parse_args(arguments)
    try:
        check_output(options.checkpoint, options.output, force=options.force)
        module = load_module(options.checkpoint)
        check_resize(module, options.checkpoint, options.codes)
        quantiser, generator = module.model.quantiser, torch.Generator().manual_seed(options.seed)
        merged = merge(quantiser.codebook, quantiser.cluster_size, options.codes, generator)
        made = resized(module, *merged)
        write(made, options.output, force=options.force)
    except HvqcgicError as error:
        print(f"resize_codebook: {one_line([error])}", file=sys.stderr)
        return 2
    print(f"{options.output}: {options.codes} codes in place of {len(quantiser.codebook)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
