"""Changes the number of codes of a checkpoint, as the start of a training with another codebook size.

    python tools/resize_codebook.py RUN/joint.ckpt --codes 512 [--data PICTURES] -o RESIZED.ckpt
    python -m hvqcgic.train --stage joint --init RESIZED.ckpt --data PICTURES --out RUN2 --model.codebook_size 512

More codes must be a multiple of the old number: each code is split by k-means on the nearest features of training
crops. Fewer codes come from merging by k-means, with weights by usage. The index prior of a new code follows from its
old codes: probabilities are added, features are averaged. Moving averages of weights become the weights. Prints bits
and squared distance of a cell before and after, at ratios drawn as in training, on crops that were not used for the
codes. Exit codes: 0 done; 2 a checkpoint, pictures or an output that cannot be used.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hvqcgic.cli import progress_bar
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import check_output, one_line, write_atomically
from hvqcgic.models import VectorQuantiser, nearest_codes
from hvqcgic.training import HvqModule, PictureDataModule, estimate_rate, load_module

MEASURED_BATCHES = 4
COPIES = 20
"""Copies of a code of mean use in a weighted k-means."""


@dataclass(frozen=True)
class Cost:
    """Means over cells: bits of an index, and squared distance from the features to their code."""

    bits: float
    distance: float


def crops(data: str | None, count: int, *, seed: int) -> list[Tensor]:
    """Batches of eight training crops of 128 px, (8, 3, 128, 128) each, in [0, 1].

    Raises:
        ConfigError: the pictures cannot be used.
    """
    pictures = PictureDataModule(data, seed=seed, val_pictures=1)
    pictures.setup()
    assert pictures.stream is not None
    return [pictures.stream.batch(number) for number in range(count)]


@torch.no_grad()
def cell_features(module: HvqModule, batches: Sequence[Tensor], generator: torch.Generator) -> Tensor:
    """Features of the cells of crops at ratios drawn as in training, (N, d)."""
    model, found = module.model, []
    with progress_bar("features", len(batches)) as advance:
        for batch in batches:
            found.append(model.quantise(model.encoder(batch), module.masks(batch, generator)).y)
            advance("")
    return torch.cat(found)


def split(codebook: Tensor, y: Tensor, times: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Split each code by k-means on its nearest features; new codes are in the order of their old codes.

    Args:
        codebook: (K, d).
        y: features, (N, d).
        times: new codes for each old one.
        generator: source of initial codes, and of a small random spread around each code, which alone splits rare
            codes.
    Returns:
        new codes, (K * times, d); share of each old code that goes to each new one, (K, K * times).
    """
    indices = nearest_codes(y, codebook)
    spread = (y - codebook[indices]).square().mean().sqrt()
    around_one = VectorQuantiser(times, codebook.shape[1])
    parts = []
    for k, code in enumerate(codebook):
        around = code + spread * torch.randn(times, len(code), generator=generator)
        around_one.start(torch.cat([y[indices == k], around]), generator)
        parts.append(around_one.codebook.clone())
    new = torch.cat(parts)
    count = torch.bincount(nearest_codes(y, new), minlength=len(new)).view(-1, times) + 0.5
    flow, codes = torch.zeros(len(codebook), len(new)), torch.arange(len(new))
    flow[codes // times, codes] = (count / count.sum(1, keepdim=True)).flatten()
    return new, flow


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


def new_codes(
    module: HvqModule, size: int, batches: Sequence[Tensor], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Split codes by features of batches of crops, or merge them, to `size`; return codes, shares of the old ones."""
    quantiser = module.model.quantiser
    old = len(quantiser.codebook)
    if size < old:
        return merge(quantiser.codebook, quantiser.cluster_size, size, generator)
    return split(quantiser.codebook, cell_features(module, batches, generator), size // old, generator)


def resized(module: HvqModule, codebook: Tensor, flow: Tensor) -> HvqModule:
    """Build the module with new codes, (K', d), and their shares of each old code, (K, K')."""
    old, state, name = module.model.config, module.state_dict(), "model.quantiser."
    weights = state[name + "cluster_size"]
    size = weights @ flow
    for key, value in (("cluster_size", size), ("codebook", codebook), ("cluster_sum", codebook * size[:, None])):
        state[name + key] = value
    state[name + "usage"] = state[name + "usage"] @ flow
    prior = state["model.prior.log_prior"]
    state["model.prior.log_prior"] = torch.log2(torch.exp2(prior.double()) @ flow.double()).to(prior.dtype)
    if old.entropy.form == "learned":
        features = state["model.prior.features"] * weights[:, None]
        state["model.prior.features"] = flow.t() @ features / size[:, None]
    made = HvqModule(dataclasses.replace(old, codebook_size=len(codebook)), module.options, module.stage, None)
    made.load_state_dict(state)
    return made.eval()


@torch.no_grad()
def cost(module: HvqModule, batches: Sequence[Tensor], *, seed: int) -> Cost:
    """Mean cost of the cells of crops, at ratios drawn by the seed."""
    model, generator = module.model, torch.Generator().manual_seed(seed)
    bits = distance = cells = 0.0
    for batch in batches:
        masks, features = module.masks(batch, generator), model.encoder(batch)
        codes = model.quantise(features, masks)
        bits += float(estimate_rate(model, module.priors, features, masks, codes).index_bits)
        distance += float((codes.y - codes.quantised.y_hat).square().sum())
        cells += len(codes.y)
    return Cost(bits / cells, distance / cells)


def write(module: HvqModule, path: Path, *, force: bool) -> None:
    """Write a checkpoint that can start a training.

    Raises:
        OutputError: it cannot be written, or exists already.
    """
    parameters = {"model": module.model.config.to_dict(), "training": vars(module.options), "stage": module.stage}
    data = io.BytesIO()
    torch.save({"state_dict": module.state_dict(), "hyper_parameters": parameters, "step_index": 0}, data)
    write_atomically(path, data.getvalue(), force=force)


def check_resize(module: HvqModule, path: Path, codes: int) -> None:
    """Raise ConfigError if a checkpoint's codebook cannot get this number of codes."""
    old = module.model.config.codebook_size
    if not bool(module.model.quantiser.initialised):
        raise ConfigError(f"{path}: its codebook was never started; train stage backbone first")
    if codes < 2 or codes == old or (codes > old and codes % old):
        raise ConfigError(f"--codes is {codes}, and {path} has {old}; use 2 to {old - 1}, or a multiple of {old}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; exit code: see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="checkpoint of a training")
    parser.add_argument("--codes", type=int, required=True, help="new number: smaller than before, or a multiple")
    parser.add_argument("--data", help="training pictures, as in hvqcgic.train; none for scikit-image's photographs")
    parser.add_argument("--batches", type=int, default=100, help="batches of eight crops for splitting (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of crops, ratios and k-means (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the new checkpoint")
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    options = parser.parse_args(arguments)
    try:
        if options.batches < 1:
            raise ConfigError(f"--batches is {options.batches}; use at least 1")
        check_output(options.checkpoint, options.output, force=options.force)
        module = load_module(options.checkpoint)
        check_resize(module, options.checkpoint, options.codes)
        splits = options.codes > module.model.config.codebook_size
        batches = crops(options.data, MEASURED_BATCHES + (options.batches if splits else 0), seed=options.seed)
        measured, batches = batches[:MEASURED_BATCHES], batches[MEASURED_BATCHES:]
        generator = torch.Generator().manual_seed(options.seed)
        made = resized(module, *new_codes(module, options.codes, batches, generator))
        write(made, options.output, force=options.force)
    except HvqcgicError as error:
        print(f"resize_codebook: {one_line([error])}", file=sys.stderr)
        return 2
    for each in (module, made):
        found = cost(each, measured, seed=options.seed)
        print(f"{each.model.config.codebook_size} codes: {found.bits:.3f} bits, distance {found.distance:.5f} a cell")
    return 0


if __name__ == "__main__":
    sys.exit(main())
