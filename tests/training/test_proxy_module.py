"""Stage proxy: what it trains, what it leaves alone, what it refuses; an export adds it to the model's file."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvqcgic
from hvqcgic import export
from hvqcgic.errors import ConfigError
from hvqcgic.model_files.frozen_model import read_model, write_model
from hvqcgic.models import MeansConfig
from hvqcgic.models.proxy_decoder import ProxyConfig
from hvqcgic.training import cli
from hvqcgic.training.callbacks import StopAtStep
from hvqcgic.training.export import load_module
from hvqcgic.training.proxy_module import ProxyModule
from hvqcgic.training.starts import load_network, load_weights
from tests.random_model import random_model, random_picture, small_config
from tests.random_proxy import with_random_proxy
from tests.training.small_training import saved, settings


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    write_model(random_model().freeze(), path)
    return path


def module(means: MeansConfig | None = None) -> ProxyModule:
    torch.manual_seed(0)
    behind = random_model(dataclasses.replace(small_config(), means=means)).model
    return ProxyModule(behind, b"12345678", ProxyConfig(width=8, blocks=1), settings())


def batch() -> torch.Tensor:
    pictures = [torch.from_numpy(random_picture(64, 64, seed=seed)).permute(2, 0, 1) for seed in (0, 1)]
    return torch.stack(pictures).float() / 255


def arguments(model_file: Path, pictures: Path, out: Path, **options: Any) -> list[str]:
    values: dict[str, Any] = {
        "stage": "proxy",
        "training.steps": 6,
        "training.validate_every": 3,
        "training.validation_pictures": 1,
        "pictures.crop_px": 64,
        "pictures.batch_size": 2,
        "pictures.val_pictures": 1,
        "proxy.width": 8,
        "proxy.blocks": 1,
        "accelerator": "cpu",
        "data": pictures,
        "init": model_file,
    } | options
    named = [word for name, value in values.items() for word in (f"--{name}", str(value))]
    return ["--out", str(out), *named]


def test_the_command_trains_behind_a_frozen_model_and_resumes_on_the_same_way(
    model_file: Path, picture_folder: Path, tmp_path: Path
) -> None:
    assert cli.main(arguments(model_file, picture_folder, tmp_path / "whole")) == 0
    whole = saved(tmp_path / "whole/proxy.ckpt")
    assert all(name.startswith("proxy.") for name in whole["state_dict"])
    parts = arguments(model_file, picture_folder, tmp_path / "parts", save_every=4)
    cli.run_training(cli.parse_options(parts), callbacks=[StopAtStep(4)])
    assert saved(tmp_path / "parts/proxy.ckpt")["step_index"] == 4
    assert cli.main([*parts, "--resume", "true"]) == 0
    again = saved(tmp_path / "parts/proxy.ckpt")["state_dict"]
    assert all(torch.equal(value, again[name]) for name, value in whole["state_dict"].items())


@pytest.mark.parametrize("means", [None, MeansConfig()])
def test_training_lowers_every_error_and_leaves_the_model_alone(means: MeansConfig | None) -> None:
    made = module(means)
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    seen = made.see(batch())
    first = made.errors(batch(), seen, made.imitate(seen))
    optimiser = torch.optim.Adam(made.proxy.parameters(), 0.01)
    for _ in range(60):
        errors = made.errors(batch(), seen, made.imitate(seen))
        optimiser.zero_grad()
        (600 * errors.picture + errors.distortion + errors.gain).backward()
        optimiser.step()
    last = made.errors(batch(), seen, made.imitate(seen))
    for name, value in vars(first).items():
        assert float(getattr(last, name).detach()) < 0.7 * float(value.detach()), name
    assert all(torch.equal(value, before[name]) for name, value in made.model.state_dict().items())
    assert {id(w) for group in made.groups() for w in group["params"]} == {id(w) for w in made.proxy.parameters()}


def test_it_sees_the_pictures_that_the_model_decodes() -> None:
    made = module(MeansConfig())
    codec = hvqcgic.Codec(
        random_model(dataclasses.replace(small_config(), means=MeansConfig())).freeze(), torch.device("cpu")
    )
    pixels = random_picture(64, 64, seed=0)
    seen = made.see(batch()[:1])
    for place, shares in enumerate([(0, 0, 1), (0, 1, 0), (1, 0, 0)]):
        decoded = np.array(codec.decompress(codec.compress(pixels, ratios=shares)))
        own = (seen.decoded[place].clamp(0, 1) * 255).permute(1, 2, 0).numpy()
        assert np.abs(own - decoded).mean() < 0.6


def test_errors_are_none_for_the_decoders_own_pictures() -> None:
    made = module()
    seen = made.see(batch())
    assert all(float(value) == 0 for value in vars(made.errors(batch(), seen, seen.decoded)).values())


def test_an_export_adds_it_to_the_file_of_its_model(
    model_file: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments(model_file, picture_folder, tmp_path)) == 0
    checkpoint, path = tmp_path / "proxy.ckpt", tmp_path / "mine.safetensors"
    capsys.readouterr()
    assert export.main([str(checkpoint), "-o", str(path)]) == 2
    assert "a proxy is added to the file of its model" in capsys.readouterr().err
    write_model(random_model().freeze(), path)
    assert export.main([str(checkpoint), "-o", str(path)]) == 2
    assert read_model(path).proxy is None
    assert export.main([str(checkpoint), "-o", str(path), "--force", "--name", "another"]) == 2
    assert export.main([str(checkpoint), "-o", str(path), "--force"]) == 0
    found = read_model(path)
    assert found.proxy is not None
    assert found.fingerprint == random_model().freeze().fingerprint
    assert found.card["data"] == "none"
    assert found.card["trained_on"][-1].startswith("proxy, 6 steps")
    trained = saved(checkpoint)["state_dict"]
    for name, value in found.proxy.weights.items():
        np.testing.assert_allclose(value, trained[f"proxy.{name}"].numpy(), atol=1e-3)
    write_model(random_model(seed=1).freeze(), path, force=True)
    capsys.readouterr()
    assert export.main([str(checkpoint), "-o", str(path), "--force"]) == 2
    assert "name the file of that model" in capsys.readouterr().err


def joint(start: Path, pictures: Path, out: Path, **options: Any) -> list[str]:
    steps = {"training.steps": 2, "training.file_pictures": 0, "perceptual": "none"}
    return arguments(start, pictures, out, **steps | {"stage": "joint"} | options)


def test_trainings_that_start_from_a_model_with_a_proxy_keep_it(picture_folder: Path, tmp_path: Path) -> None:
    model = with_random_proxy(random_model().freeze())
    start, end = tmp_path / "start.safetensors", tmp_path / "end.safetensors"
    write_model(model, start)
    parts = joint(start, picture_folder, tmp_path / "joint", save_every=1)
    cli.run_training(cli.parse_options(parts), callbacks=[StopAtStep(1)])
    assert cli.main([*parts, "--resume", "true"]) == 0
    assert cli.main(joint(tmp_path / "joint/joint.ckpt", picture_folder, tmp_path / "more")) == 0
    assert export.main([str(tmp_path / "more/joint.ckpt"), "-o", str(end)]) == 0
    found = read_model(end)
    assert found.fingerprint != model.fingerprint
    assert found.proxy is not None
    assert model.proxy is not None
    assert found.proxy.fingerprint == model.proxy.fingerprint
    assert cli.main(joint(start, picture_folder, tmp_path / "backbone", stage="backbone")) == 0
    assert not any("proxy" in name for name in saved(tmp_path / "backbone/backbone.ckpt")["state_dict"])


@pytest.mark.parametrize("options", [{}, {"stage": "hyperprior", "cache": "features"}])
def test_the_share_of_cells_by_distortion_changes_a_training(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(with_random_proxy(random_model().freeze()), start := tmp_path / "start.safetensors")
    write_model(random_model().freeze(), plain := tmp_path / "plain.safetensors")
    ends = []
    for place, (init, share) in enumerate([(plain, 0), (plain, 1), (start, 0), (start, 1)]):
        out = tmp_path / str(place)
        assert cli.main(joint(init, picture_folder, out, **options | {"training.rd_share": share})) == 0
        (checkpoint,) = out.glob("*.ckpt")
        ends.append({name: w for name, w in saved(checkpoint)["state_dict"].items() if ".proxy." not in name})
    pairs = [(ends[0], ends[1]), (ends[2], ends[3])]
    equal = [all(torch.equal(w, other[name]) for name, w in one.items()) for one, other in pairs]
    assert equal == [True, False]


def test_a_proxy_that_does_not_fit_is_left_behind(picture_folder: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    write_model(with_random_proxy(random_model().freeze()), start)
    means = {"model.means": json.dumps(dataclasses.asdict(MeansConfig()))}
    assert cli.main(joint(start, picture_folder, tmp_path, **means)) == 0
    found = load_module(tmp_path / "joint.ckpt").model
    assert found.config.means is not None
    assert found.proxy is None


def test_a_decoder_that_reads_the_prior_starts_from_a_model_with_a_proxy_and_keeps_none(
    picture_folder: Path, tmp_path: Path
) -> None:
    start = tmp_path / "start.safetensors"
    write_model(with_random_proxy(random_model().freeze()), start)
    assert cli.main(joint(start, picture_folder, tmp_path, **{"model.backbone.decoder_prior": True})) == 0
    found = load_module(tmp_path / "joint.ckpt").model
    assert found.config.backbone.decoder_prior
    assert found.proxy is None


def test_a_start_of_which_nothing_but_the_proxy_would_count_is_refused(picture_folder: Path, tmp_path: Path) -> None:
    start, plain = tmp_path / "start.safetensors", tmp_path / "plain.safetensors"
    write_model(with_random_proxy(random_model().freeze()), start)
    write_model(random_model(seed=1).freeze(), plain)
    options = cli.parse_options(["--init", str(start), str(plain), *joint(plain, picture_folder, tmp_path)[:-2]])
    made = cli.make_module(options, "joint", 1)
    with pytest.raises(ConfigError, match=r"start\.safetensors: later files replace all of its weights"):
        load_weights(made, [start, plain])  # pyright: ignore[reportArgumentType]


def test_what_it_cannot_stand_behind_is_refused(model_file: Path, picture_folder: Path, tmp_path: Path) -> None:
    behind = random_model(small_config(decoder_prior=True)).model
    with pytest.raises(ConfigError, match="a proxy cannot imitate this"):
        ProxyModule(behind, b"12345678", ProxyConfig(), settings())
    assert cli.main(arguments(model_file, picture_folder, tmp_path, **{"training.steps": 1})) == 0
    with pytest.raises(ConfigError, match="no checkpoint of stage proxy behind this model"):
        load_network(module(), [tmp_path / "proxy.ckpt"])
