"""Splits the codes of a checkpoint: a model of more codes to train on, where one of fewer was trained.

    python tools/split_codes.py RUN/joint.ckpt [--times 4] [--data PICTURES] -o SPLIT.ckpt
    python -m hvqcgic.train --stage joint --init SPLIT.ckpt --data PICTURES --out RUN2

Each code becomes as many as --times says, by k-means on the features of training crops that are nearest to it. The
index prior knows the new codes by the one that they come from: they have its features and its log-probability, which
they share as they share its cells. Moving averages of weights become the weights. Prints bits and squared distance of
a cell before and after, at ratios drawn as in training, on crops that the codes were not made of. Exit codes: 0 done;
2 a checkpoint, pictures or an output that cannot be used.
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
from torch import Tensor

from hvqcgic.commands.terminal import progress_bar
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import check_output, one_line, write_atomically
from hvqcgic.models.quantiser import VectorQuantiser, nearest_codes
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.export import load_module
from hvqcgic.training.module import HvqModule
from hvqcgic.training.rate import estimate_rate

MEASURED_BATCHES = 4


@dataclass(frozen=True)
class Cost:
    """Means over cells: bits of an index, and squared distance from the features to their code."""

    bits: float
    distance: float


def crops(data: str | None, count: int, *, seed: int) -> list[Tensor]:
    """Batches of eight training crops of 128 px, (8, 3, 128, 128) each, in [0, 1].

    Raises:
        ConfigError: pictures that cannot be used.
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


def split_codebook(codebook: Tensor, y: Tensor, times: int, generator: torch.Generator) -> Tensor:
    """New codes, those of one old code after those of another: k-means on the features nearest to it.

    Args:
        codebook: (K, d).
        y: features, (N, d).
        times: new codes for each old one.
        generator: source of starts, and of a narrow spread around each code, which alone splits it where it is rare.
    Returns:
        (K * times, d).
    """
    indices = nearest_codes(y, codebook)
    spread = (y - codebook[indices]).square().mean().sqrt()
    split = VectorQuantiser(times, codebook.shape[1])
    parts = []
    for k, code in enumerate(codebook):
        around = code + spread * torch.randn(times, len(code), generator=generator)
        split.start(torch.cat([y[indices == k], around]), generator)
        parts.append(split.codebook.clone())
    return torch.cat(parts)


def split_module(module: HvqModule, y: Tensor, times: int, generator: torch.Generator) -> HvqModule:
    """The module with `times` as many codes, split by features y, (N, d)."""
    old = module.model.config
    config = dataclasses.replace(old, codebook_size=old.codebook_size * times)
    state, name = module.state_dict(), "model.quantiser."
    codebook = split_codebook(state[name + "codebook"], y, times, generator)
    count = torch.bincount(nearest_codes(y, codebook), minlength=len(codebook)).view(-1, times) + 0.5
    share = (count / count.sum(1, keepdim=True)).flatten()
    for key in ("usage", "cluster_size"):
        state[name + key] = state[name + key].repeat_interleave(times, -1) * share
    state[name + "codebook"] = codebook
    state[name + "cluster_sum"] = codebook * state[name + "cluster_size"][:, None]
    state["model.prior.log_prior"] = state["model.prior.log_prior"].repeat_interleave(times, 1) + torch.log2(share)
    if old.entropy.form == "learned":
        state["model.prior.features"] = state["model.prior.features"].repeat_interleave(times, 0)
    made = HvqModule(config, module.options, module.stage, None)
    made.load_state_dict(state)
    return made.eval()


@torch.no_grad()
def cost(module: HvqModule, batches: Sequence[Tensor], *, seed: int) -> Cost:
    """What the cells of crops cost, at ratios that the seed draws."""
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
    """Writes a checkpoint that a training can start from.

    Raises:
        OutputError: it cannot be written, or is there already.
    """
    parameters = {"model": module.model.config.to_dict(), "training": vars(module.options), "stage": module.stage}
    data = io.BytesIO()
    torch.save({"state_dict": module.state_dict(), "hyper_parameters": parameters, "step_index": 0}, data)
    write_atomically(path, data.getvalue(), force=force)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: see above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="of a training")
    parser.add_argument("--times", type=int, default=4, help="new codes for each old one (%(default)s)")
    parser.add_argument("--data", help="training pictures, as of hvqcgic.train; none for scikit-image's photographs")
    parser.add_argument("--batches", type=int, default=100, help="of eight crops for the k-means (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of crops, ratios and k-means (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the new checkpoint")
    parser.add_argument("--force", action="store_true", help="replace the output where it is there")
    options = parser.parse_args(arguments)
    try:
        for name, least in (("times", 2), ("batches", 1)):
            if getattr(options, name) < least:
                raise ConfigError(f"--{name} is {getattr(options, name)}; use at least {least}")
        check_output(options.checkpoint, options.output, force=options.force)
        module = load_module(options.checkpoint)
        if not bool(module.model.quantiser.initialised):
            raise ConfigError(f"{options.checkpoint}: its codebook was never started; train stage backbone first")
        batches = crops(options.data, options.batches + MEASURED_BATCHES, seed=options.seed)
        measured, batches = batches[:MEASURED_BATCHES], batches[MEASURED_BATCHES:]
        generator = torch.Generator().manual_seed(options.seed)
        made = split_module(module, cell_features(module, batches, generator), options.times, generator)
        write(made, options.output, force=options.force)
    except HvqcgicError as error:
        print(f"split_codes: {one_line([error])}", file=sys.stderr)
        return 2
    for each in (module, made):
        found = cost(each, measured, seed=options.seed)
        print(f"{each.model.config.codebook_size} codes: {found.bits:.3f} bits, distance {found.distance:.5f} a cell")
    return 0


if __name__ == "__main__":
    sys.exit(main())
