"""Stage hyperprior on cached features: its losses, one encoding a picture, interrupts, and the command."""

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hvqcgic.bitstream import MEANS
from hvqcgic.errors import ConfigError
from hvqcgic.models import MeansConfig
from hvqcgic.models.granularity import GranularityMap
from hvqcgic.models.picture_model import Codes
from hvqcgic.training import cli
from hvqcgic.training.cached_pictures import CachedPictures, CachedStream
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.crops import CachedCrops
from hvqcgic.training.data import TrainBatches
from hvqcgic.training.export import load_module
from hvqcgic.training.feature_cache import FeatureCache
from hvqcgic.training.module import HvqModule
from hvqcgic.training.stages import Machine, run_stage
from tests.random_model import random_model, random_picture, small_config

CROP_PX = 48
OPTIONS = TrainingConfig(steps=4, validate_every=100, validation_pictures=1, file_pictures=0)
TRAINING_PICTURES = 5


class Recorder(HvqModule):
    """Keeps batches and losses, counts encodings of training pictures, and may send itself a signal in one of them."""

    def __init__(self, *, signal_at: int = 0, number: signal.Signals = signal.SIGINT) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            super().__init__(small_config(), OPTIONS, "hyperprior", None)
        self.batches: list[CachedCrops] = []
        self.losses: list[float] = []
        self.encodings = 0
        self.signal_at, self.number = signal_at, number
        self.model.encoder.register_forward_hook(self.count)

    def count(self, *_: Any) -> None:
        # Validation pictures are encoded in evaluation mode.
        if self.training:
            self.encodings += 1
            if self.encodings == self.signal_at:
                os.kill(os.getpid(), self.number)

    def training_step(self, batch: Any, batch_index: int) -> None:
        self.batches.append(batch)
        super().training_step(batch, batch_index)

    def loss(self, batch: Tensor, masks: GranularityMap, codes: Codes, features: dict[str, Tensor]) -> Tensor:
        found = super().loss(batch, masks, codes, features)
        self.losses.append(found.item())
        return found


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of stage backbone."""
    path = tmp_path_factory.mktemp("start") / "backbone.ckpt"
    made, source = HvqModule(small_config(), OPTIONS, "backbone", None), random_model()
    made.model.load_state_dict(source.model.state_dict())
    parameters = {"stage": "backbone", "model": small_config().to_dict(), "training": {}}
    torch.save({"state_dict": made.state_dict(), "hyper_parameters": parameters, "step_index": 1}, path)
    return path


def pictures(cache: Path, folder: Path, kind: type[CachedPictures] = CachedPictures) -> CachedPictures:
    return kind(cache, str(folder), None, crop_px=CROP_PX, batch_size=3, val_pictures=1)


def trained(module: Recorder, data: CachedPictures, start: Path, out: Path) -> dict[str, Tensor]:
    run_stage(module, data, Machine(out, "cpu"), start=[start])
    return torch.load(out / "hyperprior.ckpt", weights_only=True)["state_dict"]


def from_whole_pictures(batch: CachedCrops, model: torch.nn.Module) -> CachedCrops:
    """The same batch with features computed anew: of the whole picture that holds each window, found by its pixels."""
    rows: list[dict[str, Tensor]] = []
    for window in batch.picture:
        for seed in range(6):
            whole = torch.from_numpy(random_picture(72, 64, seed=seed)).permute(2, 0, 1)[None].float() / 255
            padded = torch.nn.functional.pad(whole, (0, 8, 0, 0), mode="replicate")
            for top, left in np.ndindex(2, 3):
                if torch.equal(padded[0, :, 16 * top :, 16 * left :][:, :CROP_PX, :CROP_PX], window):
                    with torch.no_grad():
                        found = model(padded)
                    rows.append({g: cut(found[g][0], top, left) for g in found})
    assert len(rows) == len(batch.picture)
    return CachedCrops(batch.picture, {g: torch.stack([row[g] for row in rows]) for g in rows[0]})


def cut(features: Tensor, top: int, left: int) -> Tensor:
    """Features of the window whose top left cell of 16 px is given."""
    step = features.shape[-1] // 5
    side = CROP_PX // 16 * step
    return features[:, top * step : top * step + side, left * step : left * step + side]


def test_losses_are_those_of_the_features_of_whole_pictures(picture_folder: Path, start: Path, tmp_path: Path) -> None:
    cached = Recorder()
    reached = trained(cached, pictures(tmp_path / "cache", picture_folder), start, tmp_path / "cached")
    assert (len(cached.losses), cached.encodings) == (4, TRAINING_PICTURES)
    anew = [from_whole_pictures(batch, random_model().model.encoder) for batch in cached.batches]

    class Anew(CachedPictures):
        def train_dataloader(self) -> TrainBatches:
            self.setup()
            # Lightning asks for one batch more than it uses.
            return TrainBatches(self, lambda number: anew[number % len(anew)])

    expected = Recorder()
    wanted = trained(expected, pictures(tmp_path / "unused", picture_folder, Anew), start, tmp_path / "anew")
    assert cached.losses == expected.losses
    assert all(torch.equal(value, wanted[name]) for name, value in reached.items())
    with torch.no_grad():
        crops = cached.model.encoder(cached.batches[0].picture)
    assert not torch.allclose(crops["fine"], cached.batches[0].features["fine"], atol=1e-3)


def test_a_second_run_runs_no_encoder_and_ends_the_same(picture_folder: Path, start: Path, tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    states = [
        trained(module, pictures(tmp_path / "cache", picture_folder), start, tmp_path / name)
        for name, module in (("first", first), ("second", second))
    ]
    assert (first.encodings, second.encodings) == (TRAINING_PICTURES, 0)
    assert first.losses == second.losses
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    before = random_state()
    changed = {name for name, value in states[0].items() if not torch.equal(value, before[name])}
    assert {name.split(".")[1] for name in changed} >= {"analysis", "context", "prior"}
    assert not [name for name in changed if name.startswith(("model.encoder", "model.quantiser.codebook"))]


def random_state() -> dict[str, Tensor]:
    made, source = HvqModule(small_config(), OPTIONS, "hyperprior", None), random_model()
    made.model.load_state_dict(source.model.state_dict())
    made.priors.load_state_dict(source.priors.state_dict())
    return made.state_dict()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_cached_before_an_interrupt_is_not_computed_again(
    picture_folder: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    cut_off = Recorder(signal_at=3, number=number)
    with pytest.raises(SystemExit):
        trained(cut_off, pictures(tmp_path / "cache", picture_folder), start, tmp_path / "run")
    assert not cut_off.losses
    kept = len(list((tmp_path / "cache").rglob("*.safetensors")))
    assert kept == (2 if number == signal.SIGINT else 3)
    said = capsys.readouterr().err
    assert f"interrupted: features of {kept} pictures are kept" in said
    assert "within a step" not in said
    again = Recorder()
    trained(again, pictures(tmp_path / "cache", picture_folder), start, tmp_path / "run")
    assert again.encodings == TRAINING_PICTURES - kept
    assert f"{kept} read, {TRAINING_PICTURES - kept} computed" in capsys.readouterr().err


def test_batches_are_a_function_of_their_number_and_visit_every_picture(
    picture_folder: Path, start: Path, tmp_path: Path
) -> None:
    module = Recorder()
    trained(module, pictures(tmp_path / "cache", picture_folder), start, tmp_path / "run")
    data = pictures(tmp_path / "cache", picture_folder)
    data.setup()
    data.batches_used = 2
    resumed = Recorder()
    run_stage(resumed, data, Machine(tmp_path / "resumed", "cpu"), start=[start])
    assert all(torch.equal(a.picture, b.picture) for a, b in zip(module.batches[2:], resumed.batches, strict=False))
    assert not torch.equal(module.batches[0].picture, module.batches[1].picture)


def test_windows_of_a_model_with_local_means_have_those_of_the_picture(picture_folder: Path, tmp_path: Path) -> None:
    means = MeansConfig(block_px=32)
    model = random_model(dataclasses.replace(small_config(), means=means)).model
    picture = random_picture(160, 128, seed=9)
    entry = FeatureCache(tmp_path / "cache", model).entry(picture)
    stream = CachedStream([entry], 64, 4, seed=0, means=means)
    with torch.no_grad():
        whole = model.features(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)
    for number in range(3):
        crops = stream.batch(number)
        for place, own in enumerate(crops.features["coarse"]):
            corners = [
                (top, left)
                for top, left in np.ndindex(3, 4)
                if torch.equal(whole["coarse"][0, :, 2 * top : 2 * top + 4, 2 * left : 2 * left + 4], own)
            ]
            assert len(corners) == 1
            (top, left) = corners[0]
            assert torch.equal(crops.features[MEANS][place], whole[MEANS][0, :, top : top + 2, left : left + 2])


COMMAND = ["--perceptual=none", "--accelerator=cpu", "--pictures.crop_px=48", "--pictures.batch_size=2"]
SHORT = ["--training.steps=2", "--training.validation_pictures=1", "--training.file_pictures=1"]


def test_the_command_takes_the_shape_of_the_model_from_what_it_starts_from(
    picture_folder: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [f"--data={picture_folder}", f"--init={start}", f"--cache={tmp_path / 'cache'}"]
    changed = ["--model.entropy.context_width=12", "--stage=hyperprior", f"--out={tmp_path / 'run'}"]
    assert cli.main([*COMMAND, *SHORT, *places, *changed, "--training.steps=4"]) == 0
    printed = capsys.readouterr().err
    assert f"features of {TRAINING_PICTURES} pictures: 0 read" in printed
    panel = " ".join(printed.replace("│", " ").split())
    assert f"{TRAINING_PICTURES} pictures; batches of 2 crops of 48 px" in panel
    found = load_module(tmp_path / "run" / "hyperprior.ckpt").model.config
    assert found.codebook_size == small_config().codebook_size
    assert found.backbone == small_config().backbone
    assert (found.entropy.context_width, found.entropy.embedding_width) == (12, small_config().entropy.embedding_width)


@pytest.mark.parametrize("stage", ["backbone", "joint"])
def test_other_stages_refuse_a_cache_in_one_line(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    places = [f"--data={picture_folder}", f"--cache={tmp_path / 'cache'}", f"--out={tmp_path / 'run'}"]
    assert cli.main([*COMMAND, *SHORT, *places, f"--stage={stage}"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"stage {stage} changes the networks whose features a cache keeps" in message
    assert not list(tmp_path.iterdir())


def test_pictures_that_cannot_be_read_are_one_line(picture_folder: Path, start: Path, tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "x.png").write_text("no picture")
    data = CachedPictures(tmp_path / "cache", str(tmp_path / "text"), str(picture_folder), crop_px=CROP_PX)
    with pytest.warns(UserWarning, match="unreadable"), pytest.raises(ConfigError, match="no training picture"):
        run_stage(Recorder(), data, Machine(tmp_path / "run", "cpu"), start=[start])
