"""Split or merged codes: a training starts from the checkpoint, which codes what the old one did at about its bits."""

import math
from pathlib import Path

import pytest
import resize_codebook
import torch

from hvqcgic.models.quantiser import nearest_codes
from hvqcgic.training.average import CHECKPOINT_KEY
from hvqcgic.training.export import load_module
from hvqcgic.training.module import HvqModule
from hvqcgic.training.starts import load_weights, model_options
from tests.random_model import save_random_pictures
from tests.training.small_training import module, saved, settings, write_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "joint.ckpt"
    write_checkpoint(path, module("joint", settings()), "joint")
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return save_random_pictures(folder, 4)


def run(checkpoint: Path, pictures: Path, *options: object) -> Path:
    out = checkpoint.with_name("resized.ckpt")
    arguments = [checkpoint, "--data", pictures, "--batches", 2, "-o", out, *options]
    assert resize_codebook.main([str(argument) for argument in arguments]) == 0
    return out


def printed(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    """The words of the lines before and after: codes first, bits third, distance sixth."""
    before, after = (line.replace(",", "").split() for line in capsys.readouterr().out.splitlines())
    return before, after


def test_a_split_checkpoint_costs_what_the_finer_choice_costs(
    checkpoint: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(checkpoint, pictures, "--codes", 256)
    before, after = printed(capsys)
    assert (before[0], after[0]) == ("64", "256")
    added_bits, finer = float(after[2]) - float(before[2]), float(after[5]) / float(before[5])
    assert 0 < added_bits < 2.2
    assert 0.2 < finer < 0.8
    old, new = load_module(checkpoint).model, load_module(out).model
    assert new.config.codebook_size == 256
    parents = torch.arange(256) // 4
    torch.testing.assert_close(new.quantiser.usage.view(3, 64, 4).sum(2), old.quantiser.usage)
    torch.testing.assert_close(new.quantiser.cluster_size.view(64, 4).sum(1), old.quantiser.cluster_size)
    torch.testing.assert_close(new.prior.features, old.prior.features[parents])
    total = torch.logsumexp(new.prior.log_prior.view(3, 64, 4) * math.log(2), 2) / math.log(2)
    torch.testing.assert_close(total, old.prior.log_prior)
    near = nearest_codes(new.quantiser.codebook, old.quantiser.codebook)
    assert (near == parents).float().mean() > 0.8


def test_merged_codes_share_out_all_that_there_was(
    checkpoint: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(checkpoint, pictures, "--codes", 24)
    before, after = printed(capsys)
    assert (before[0], after[0]) == ("64", "24")
    assert float(after[2]) < float(before[2])
    assert float(after[5]) > float(before[5])
    old, new = load_module(checkpoint).model, load_module(out).model
    torch.testing.assert_close(new.quantiser.usage.sum(1), old.quantiser.usage.sum(1))
    torch.testing.assert_close(new.prior.log_prior.exp2().sum(1), old.prior.log_prior.exp2().sum(1))
    assert (new.quantiser.cluster_size > 0).all()
    mean = (old.quantiser.codebook * old.quantiser.cluster_size[:, None]).sum(0)
    torch.testing.assert_close(new.quantiser.cluster_sum.sum(0), mean)


def test_no_merged_code_is_empty_where_codes_are_equal() -> None:
    codebook = torch.zeros(16, 4)
    codebook[0] = 1
    merged, flow = resize_codebook.merge(codebook, torch.ones(16), 8, torch.Generator().manual_seed(0))
    assert torch.equal(flow.sum(1), torch.ones(16))
    assert (flow.sum(0) > 0).all()
    assert merged.isfinite().all()


def test_a_training_starts_from_it_as_from_any_other(checkpoint: Path, pictures: Path) -> None:
    out = run(checkpoint, pictures, "--codes", 128)
    config = load_module(out).model.config
    assert model_options(out)["codebook_size"] == 128
    started = HvqModule(config, settings(), "joint", None)
    load_weights(started, [out])
    assert torch.equal(started.model.prior.log_prior, load_module(out).model.prior.log_prior)


def test_averaged_weights_are_those_that_are_split(checkpoint: Path, pictures: Path) -> None:
    content = saved(checkpoint)
    averaged = content["state_dict"]["model.prior.features"] + 1
    content[CHECKPOINT_KEY] = {"updates": 1, "weights": {"model.prior.features": averaged}}
    torch.save(content, checkpoint)
    split = saved(run(checkpoint, pictures, "--codes", 128))
    assert CHECKPOINT_KEY not in split
    torch.testing.assert_close(split["state_dict"]["model.prior.features"][::2], averaged)


def test_bad_input_is_one_line(checkpoint: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fresh = module("backbone", settings())
    fresh.model.quantiser.initialised.fill_(False)
    unstarted = checkpoint.with_name("fresh.ckpt")
    write_checkpoint(unstarted, fresh, "backbone")
    out = checkpoint.with_name("out.ckpt")
    for name, options, text in (
        ("absent.ckpt", (), "absent.ckpt: not a checkpoint of hvqcgic (there is no such file)"),
        ("fresh.ckpt", (), "its codebook was never started"),
        ("joint.ckpt", ("--codes", "96"), "has 64; use 2 to 63, or a multiple of 64"),
        ("joint.ckpt", ("--data", str(checkpoint.parent / "none")), "none"),
        ("joint.ckpt", ("-o", str(checkpoint)), "is the input itself"),
    ):
        source = checkpoint.with_name(name)
        quick = ["--data", str(pictures), "--batches", "1", "--codes", "32", "-o", str(out), *options]
        assert resize_codebook.main([str(source), *quick]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("resize_codebook: ")
        assert text in line
        assert not out.exists()
