"""A small training for `test_processes.py`, by as many processes as asked: python -m tests.training.together ..."""

import json
import sys
from pathlib import Path

import torch
from torch import Tensor

from hvqcgic.models.granularity import GranularityMap
from hvqcgic.models.picture_model import Codes
from hvqcgic.training.config import Stage
from hvqcgic.training.crops import Batch
from hvqcgic.training.module import HvqModule
from hvqcgic.training.processes import Processes
from hvqcgic.training.ranks import rank_and_size, same_for_all
from hvqcgic.training.stages import Machine, run_stage
from tests.random_model import random_model, small_config
from tests.training.small_training import Pictures, settings, squared

STEPS = 5


class Together(HvqModule):
    """Keeps the loss of the whole batch at every step."""

    losses: list[float]

    def loss(self, batch: Tensor, masks: GranularityMap, codes: Codes, features: dict[str, Tensor]) -> Tensor:
        """As it is, and noted."""
        found = super().loss(batch, masks, codes, features)
        self.losses.append(float(same_for_all(found.detach())))
        return found


class Noted(Pictures):
    """Keeps the sum of the pixels of every batch that this process trains on."""

    sums: list[float]

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """As it is, and noted."""
        if self.trainer is not None and self.trainer.training:
            assert isinstance(batch, Tensor)
            self.sums.append(float(batch.double().sum()))
        return super().on_after_batch_transfer(batch, dataloader_idx)


def main(pictures: str, folder: str, devices: str) -> None:
    """Trains stage backbone from nothing and stage joint from random networks; writes FOLDER/STAGE-RANK.json."""
    torch.set_num_threads(1)
    for stage in ("backbone", "joint"):
        train(Path(pictures), Path(folder), stage, Processes(int(devices)))


def train(pictures: Path, folder: Path, stage: Stage, processes: Processes) -> None:
    """One stage; what this process saw of it."""
    torch.manual_seed(0)
    adversarial = 0.5 if stage == "joint" else 0.0
    options = settings(steps=STEPS, codebook_start=3, ema_decay=0.9, adversarial_weight=adversarial)
    made = Together(small_config(), options, stage, squared)
    made.losses = []
    if stage == "joint":
        source = random_model(small_config())
        made.model.load_state_dict(source.model.state_dict())
        made.priors.load_state_dict(source.priors.state_dict())
    data = Noted(pictures, batch_size=4)
    data.sums = []
    run_stage(made, data, Machine(folder, "cpu", processes=processes, force=True))
    rank, size = rank_and_size()
    found = {"losses": made.losses, "sums": data.sums, "size": size}
    (folder / f"{stage}-{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
