"""`python -m hvqcgic.train`: all stages from one command, what it writes, and its refusals in one line."""

import contextlib
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hvqcgic.codec.codec import Codec
from hvqcgic.perceptual import lpips as perceptual
from hvqcgic.training import cli
from hvqcgic.training.charts import BATCH, CODINGS, FILES
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.export import freeze_model, load_module
from hvqcgic.training.real_files import to_pixels
from hvqcgic.training.validation import measure
from tests.random_model import random_picture, small_config

CONTAINER_BITS = 28 * 8


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, picture_folder: Path) -> Path:
    """The folder of a training through all stages."""
    out = tmp_path_factory.mktemp("run")
    config = {
        "model": dataclasses.asdict(small_config()),
        "training": {
            "steps": 3,
            "codebook_start": 2,
            "ema_decay": 0.99,
            "validate_every": 2,
            "validation_pictures": 2,
            "file_pictures": 1,
        },
        "pictures": {"crop_px": 64, "batch_size": 2, "val_pictures": 2},
        "perceptual": "none",
        "backbone_steps": 4,
        "hyperprior_steps": 3,
        "accelerator": "cpu",
        "data": str(picture_folder),
    }
    # As YAML knows no tuples.
    (out / "small.yaml").write_text(yaml.safe_dump(yaml.safe_load(yaml.dump(config, Dumper=Lists))))
    assert cli.main(["--config", str(out / "small.yaml"), "--lambda", "0.02", "--out", str(out)]) == 0
    return out


class Lists(yaml.SafeDumper):
    """Writes tuples as lists."""


Lists.add_representer(tuple, lambda dumper, values: dumper.represent_list(values))


@pytest.mark.parametrize(("stage", "steps"), [("backbone", 4), ("hyperprior", 3), ("joint", 3)])
def test_every_stage_leaves_a_checkpoint_that_loads(trained: Path, stage: str, steps: int) -> None:
    module = load_module(trained / f"{stage}.ckpt")
    assert (module.stage, module.options.steps, module.options.lmbda) == (stage, steps, 0.02)


def test_the_result_codes_real_files_of_the_estimated_size(trained: Path) -> None:
    module = load_module(trained / "joint.ckpt")
    pixels = random_picture(176, 144, seed=5)
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    found = measure(module.model, module.priors, picture, module.model.config.default_ratios, perceptual=None)
    assert found.rate is not None
    codec = Codec(freeze_model(module.model, module.priors), torch.device("cpu"))
    written = codec.write(codec.encode(pixels))
    estimate = float(found.rate.index_bits + found.rate.z_bits) + written.parts["map"]
    assert abs(8 * len(written.data) - estimate) <= 0.005 * estimate + CONTAINER_BITS
    assert codec.decompress(written.data).size == (176, 144)


def test_tensorboard_holds_charts_files_and_pictures(trained: Path) -> None:
    events = EventAccumulator(str(trained / "joint"), size_guidance={"images": 0}).Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"file/estimate_bpp", "val/saving_percent", "val/psnr_db", "codebook/perplexity_fine"} <= scalars
    assert {"val_raw/saving_percent", "val_raw/psnr_db"} <= scalars
    assert not {"hp_metric", "epoch"} & scalars
    codings = {coding: EventAccumulator(str(trained / "joint" / coding)).Reload() for coding in CODINGS}
    for group in (BATCH, FILES):
        assert all(f"{group}/bpp" in found.Tags()["scalars"] for found in codings.values())
        assert {f"{group}/saving_percent", f"{group}/z_percent"} <= set(codings["adaptive"].Tags()["scalars"])
    assert not [path for path in (trained / "backbone").iterdir() if path.is_dir()]
    files, estimates = codings["adaptive"].Scalars(f"{FILES}/bpp"), events.Scalars("file/estimate_bpp")
    assert [event.step for event in files] == [event.step for event in estimates]
    pixels = 72 * 64
    for file, estimate in zip(files, estimates, strict=True):
        assert abs(file.value - estimate.value) <= 0.005 * estimate.value + CONTAINER_BITS / pixels
    image = Image.open(io.BytesIO(events.Images("pictures/0")[-1].encoded_image_string))
    assert image.size == (4 * 72 + 3 * 8, 64)
    assert events.SummaryMetadata("_hparams_/session_start_info").plugin_data.plugin_name == "hparams"


@pytest.fixture(scope="module")
def joint_run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a stage joint from the checkpoint of another, and what it printed to standard error."""
    out = tmp_path_factory.mktemp("joint")
    options = ["--config", str(trained / "small.yaml"), "--stage", "joint", "--lambda", "0.5", "--out", str(out)]
    options += ["--training.learning_rate", "0.01", "--init", str(trained / "joint.ckpt")]
    text = io.StringIO()
    with contextlib.redirect_stderr(text), contextlib.redirect_stdout(io.StringIO()) as last:
        assert cli.main(options) == 0
    assert last.getvalue() == f"{out / 'joint.ckpt'}\n"
    return out, text.getvalue()


def test_the_panel_says_what_is_trained_from_what_and_on_what(
    joint_run: tuple[Path, str], trained: Path, picture_folder: Path
) -> None:
    words = " ".join(joint_run[1].partition("╰")[0].replace("│", " ").split())
    for part in (
        "K = 64 codes of d = 4 numbers",
        "hyperpriors coarse 2 channels, medium 2 channels, fine 2 channels",
        "learned embedding space of 6 numbers",
        f"start checkpoint of stage joint {trained}",
        "trained at lambda 0.02",
        "stages joint, 3 steps",
        "lambda 0.5: one bit per pixel costs as much as 0.5 of distortion (1 MSE + 0.03 L1)",
        "A bit is 25 times as dear as at the 0.02 of the start: expect fewer bits, worse pictures",
        f"data {picture_folder}: ",
        "batches of 2 crops of 64 px",
        "machine cpu",
        "time stage joint: about 0:0",
    ):
        # A long path is cut where a line of the panel ends.
        assert part.replace(" ", "") in words.replace(" ", ""), part


def test_the_run_ends_with_files_time_checkpoint_and_what_to_type_next(joint_run: tuple[Path, str]) -> None:
    out, printed = joint_run
    checkpoint = out / "joint.ckpt"
    for part in ("stage joint", "0.5, 0.4, 0.1", "0.1, 0.8, 0.1", "0, 0.5, 0.5", f"is {checkpoint}"):
        assert part in printed
    assert f"next: python -m hvqcgic.export {checkpoint}" in printed
    assert "nan" not in printed
    for noise in ("Tip", "GPU available", "workers", "LeafSpec", "self.log"):
        assert noise not in printed


def test_the_files_are_those_of_the_result_and_the_change_is_against_the_start(
    joint_run: tuple[Path, str], trained: Path, picture_folder: Path
) -> None:
    out, printed = joint_run
    pictures = PictureDataModule(str(picture_folder), val_pictures=2)
    pictures.setup()
    pixels = to_pixels(pictures.validation[0])
    bits, quality = {}, {}
    for name, path in (("start", trained / "joint.ckpt"), ("result", out / "joint.ckpt")):
        module = load_module(path)
        codec = Codec(freeze_model(module.model, module.priors), torch.device("cpu"))
        data = codec.compress(pixels)
        difference = np.asarray(codec.decompress(data), np.float64) - pixels
        bits[name], quality[name] = 8 * len(data), -10 * np.log10(np.mean((difference / 255) ** 2))
    change = 100 * (bits["result"] / bits["start"] - 1)
    change_db = quality["result"] - quality["start"]
    line = f"lambda 0.5 against the start: {change:+.1f} % bits, PSNR {change_db:+.2f} dB at (0.5, 0.4, 0.1)"
    assert line in printed.splitlines()
    row = next(line for line in printed.splitlines() if line.startswith("│ 0.5, 0.4, 0.1"))
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    assert cells[1] == f"{bits['result'] / pixels[..., 0].size:.4f}"
    assert cells[5:] == [f"{quality['result']:.2f}", "–"]


def test_a_start_from_nothing_has_a_panel_and_no_comparison(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--config", str(trained / "small.yaml"), "--init", "none", "--out", str(tmp_path)]
    assert cli.main([*options, "--training.file_pictures", "0"]) == 0
    printed = capsys.readouterr().err
    for part in ("start random weights", "backbone, 4 steps; hyperprior, 3 steps; joint, 3 steps", "say theirs"):
        assert part in " ".join(printed.replace("│", " ").split())
    assert "against the start" not in printed
    assert "0.1, 0.8, 0.1" not in printed
    assert printed.count("╭─ training") == 1
    assert "\nstage hyperprior: about 0:0" in printed
    assert "\nstage joint: about 0:0" in printed


def test_a_finished_stage_is_resumed_without_a_word(
    joint_run: tuple[Path, str], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = joint_run
    options = ["--config", str(trained / "small.yaml"), "--stage", "joint", "--out", str(out)]
    assert cli.main([*options, "--resume", "true"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (f"{out / 'joint.ckpt'}\n", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--training.steps", "many"], "training.steps"),
        (["--training.stepz", "3"], "--training.stepz"),
        (["--stage", "joint", "--perceptual", "none"], "--init"),
        (["--init", "nothing.ckpt", "--perceptual", "none"], "nothing.ckpt"),
        (["--lambda", "-1", "--init", "nothing.ckpt"], "--lambda is -1"),
        (["--lambda", "nan", "--init", "nothing.ckpt"], "--lambda is nan; use a finite number of at least 0"),
        (["--lambda=-inf", "--data", "nowhere"], "--lambda is -inf"),
        (["--lambda", "many", "--init", "nothing.ckpt"], "--lambda: invalid number value: 'many'"),
        (["--init", "none", "tiny"], "--init none tiny"),
        (["--init", "tinny"], "did you mean tiny?"),
        (["--model.codebook_size", "64", "--perceptual", "none"], "from nothing with --init none"),
        (["--config", "nothing.yaml"], "nothing.yaml"),
        (["--model.entropy.schedule", "[fine]", "--perceptual", "none"], "schedule"),
        (["--stage", "joint", "--training.steps", "0"], "--training.steps"),
        (["--data", "nowhere", "--perceptual", "none"], "nowhere"),
        (["--pictures.prefixes", "[cats]", "--perceptual", "none"], "no picture of prefix cats"),
        (["--training.ema_decay", "1", "--perceptual", "none"], "--training.ema_decay is 1"),
        (["--save_every", "0", "--perceptual", "none"], "save_every"),
    ],
)
def test_refusals_are_one_line(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, picture_folder: Path
) -> None:
    places = ["--out", str(tmp_path), *([] if "--data" in options else ["--data", str(picture_folder)])]
    assert cli.main([*places, *options]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert said in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "net", "advice"),
    [
        ([], "alex", "train with --perceptual none"),
        (["--perceptual=none", "--further_perceptual=[vgg]"], "vgg", "train with --further_perceptual []"),
    ],
)
def test_missing_weights_of_lpips_are_one_line_that_says_how_to_get_them(
    options: list[str],
    net: str,
    advice: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    picture_folder: Path,
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    assert cli.main(["--data", str(picture_folder), "--out", str(tmp_path / "run"), *options]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert perceptual.WEIGHT_FILES[net] in message
    assert advice in message
