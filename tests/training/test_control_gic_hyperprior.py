"""Hyperpriors for an imported Control-GIC by its config: a dry run of a few steps on the network of reduced width."""

from pathlib import Path

import import_control_gic
import pytest
import torch

from hvqcgic.codec.codec import Codec
from hvqcgic.model_files.registry import read_summary
from hvqcgic.training import cli
from hvqcgic.training.export import freeze_model, load_module
from tests.random_model import random_picture

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "hvqcgic/configs" / "control_gic_hyperprior.yaml"
FEW = ["--training.steps=3", "--training.validation_pictures=1", "--training.file_pictures=1", "--pictures.crop_px=48"]
HERE = ["--pictures.batch_size=2", "--accelerator=cpu"]


@pytest.fixture(scope="module")
def imported(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's network as a model file."""
    path = tmp_path_factory.mktemp("imported") / "control-gic.safetensors"
    fixture = shared / "fixtures" / "control_gic_parity.safetensors"
    assert import_control_gic.main([str(fixture), "-o", str(path)]) == 0
    return path


def train(imported: Path, pictures: Path, out: Path, *options: str) -> None:
    places = [f"--init={imported}", f"--data={pictures}", f"--out={out}", f"--cache={out / 'features'}"]
    assert cli.main(["--config", str(CONFIG), *places, *FEW, *HERE, *options]) == 0


@pytest.mark.slow
def test_a_dry_run_leaves_a_model_that_codes_files(
    imported: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(imported, picture_folder, tmp_path)
    assert "features of 5 pictures: 0 read, 5 computed" in capsys.readouterr().err
    train(imported, picture_folder, tmp_path, "--force=true", "--model.selection=published")
    assert "features of 5 pictures: 5 read, 0 computed" in capsys.readouterr().err

    trained, source = load_module(tmp_path / "hyperprior.ckpt"), read_summary(imported).config
    found = trained.model.config.to_dict()
    assert found["selection"] == "published"
    assert found["control_gic"] == {name: tuple_of(value) for name, value in source["control_gic"].items()}
    assert (found["codebook_size"], found["entropy"]["z_channels"]) == (source["codebook_size"], (4, 4, 4))

    codec = Codec(freeze_model(trained.model, trained.priors), torch.device("cpu"))
    encoded = codec.encode(random_picture(80, 48, seed=9))
    adaptive, static = (codec.write(encoded, coding=mode).data for mode in ("adaptive", "static-arithmetic"))
    assert codec.decompress(adaptive).size == codec.decompress(static).size == (80, 48)


def tuple_of(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
