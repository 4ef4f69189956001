"""Averages the weights of checkpoints of one lineage: a start for further training, better than each of them.

    python tools/average_checkpoints.py FIRST/hyperprior.ckpt A/joint.ckpt B/joint.ckpt=0.6 -o AVERAGE.ckpt

Trainings that start from one checkpoint and end at a low learning rate lie around the same optimum, each some way off;
their mean lies nearer to it, and a mean with a training on another loss lies between both losses. Codes are averaged,
too: code k means the same in all of them. Moving averages of weights are taken where a checkpoint has them. Exit codes:
0 done; 2 a checkpoint or an output that cannot be used.

Source: Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
increasing inference time".
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import check_output, one_line
from hvqcgic.model_files import RECORD_KEY
from hvqcgic.training.average import weights_of
from hvqcgic.training.checkpoints import read_checkpoint, unlike, write_checkpoint
from hvqcgic.training.provenance import joined, recorded


def average(states: Sequence[Mapping[str, Tensor]], weights: Sequence[float]) -> dict[str, Tensor]:
    """Weighted mean of states with equal names and shapes; numbers that are not floating point are the first's."""
    total = math.fsum(weights)
    return {
        name: mean([state[name] for state in states], [weight / total for weight in weights])
        if first.is_floating_point()
        else first
        for name, first in states[0].items()
    }


def mean(values: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Sum of values times shares, in the first one's precision."""
    parts = [share * value.double() for share, value in zip(shares, values, strict=True)]
    return torch.stack(parts).sum(0).to(values[0].dtype)


def path_and_share(word: str) -> tuple[Path, float]:
    """A checkpoint and its share of the mean, from `CHECKPOINT` or `CHECKPOINT=SHARE`.

    Raises:
        ConfigError: the share is no number above 0.
    """
    path, equals, share = word.rpartition("=")
    if not equals:
        return Path(word), 1.0
    try:
        found = float(share)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise ConfigError(f"{word}: the share {share!r} is no number above 0; write CHECKPOINT=0.5")
    return Path(path), found


def check_alike(paths: Sequence[Path], checkpoints: Sequence[Mapping[str, Any]]) -> None:
    """Raise `ConfigError` for a checkpoint of another model than the first one's."""
    first = checkpoints[0]
    for path, other in zip(paths[1:], checkpoints[1:], strict=True):
        if other["hyper_parameters"].get("model") != first["hyper_parameters"].get("model"):
            raise ConfigError(f"{path}: not of the model of {paths[0]}; name checkpoints of one lineage")
        if name := unlike(weights_of(first), weights_of(other)):
            raise ConfigError(f"{path}: {name} differs from that of {paths[0]}; name checkpoints of one lineage")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; exit code: see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="CHECKPOINT[=SHARE]",
        help="of trainings, with a share above 0 of the mean (1); the first gives all but the weights",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="the new checkpoint")
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    options = parser.parse_args(arguments)
    try:
        paths, weights = zip(*map(path_and_share, options.checkpoints), strict=True)
        for path in paths:
            check_output(path, options.output, force=options.force)
        checkpoints = [read_checkpoint(path) for path in paths]
        check_alike(paths, checkpoints)
        content = {
            "state_dict": average([weights_of(each) for each in checkpoints], weights),
            "hyper_parameters": checkpoints[0]["hyper_parameters"],
            "step_index": 0,
            RECORD_KEY: joined(recorded(each) for each in checkpoints),
        }
        write_checkpoint(content, options.output, force=options.force)
    except HvqcgicError as error:
        print(f"average_checkpoints: {one_line([error])}", file=sys.stderr)
        return 2
    print(f"{options.output}: the mean of {len(paths)} checkpoints")
    return 0


if __name__ == "__main__":
    sys.exit(main())
