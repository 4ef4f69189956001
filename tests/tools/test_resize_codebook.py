"""Merged codes: a training starts from the checkpoint, whose codes share out all that there was."""

from pathlib import Path

import pytest
import resize_codebook
import torch

from hvqcgic.training.average import CHECKPOINT_KEY
from hvqcgic.training.export import load_module
from hvqcgic.training.module import HvqModule
from hvqcgic.training.starts import load_weights, model_options
from tests.training.small_training import module, saved, settings, write_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "joint.ckpt"
    write_checkpoint(path, module("joint", settings()), "joint")
    return path


def run(checkpoint: Path, *options: object) -> Path:
    out = checkpoint.with_name("resized.ckpt")
    arguments = [checkpoint, "-o", out, *options]
    assert resize_codebook.main([str(argument) for argument in arguments]) == 0
    return out


def test_merged_codes_share_out_all_that_there_was(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(checkpoint, "--codes", 24)
    assert capsys.readouterr().out == f"{out}: 24 codes in place of 64\n"
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


def test_a_training_starts_from_it_as_from_any_other(checkpoint: Path) -> None:
    out = run(checkpoint, "--codes", 32)
    config = load_module(out).model.config
    assert model_options(out)["codebook_size"] == 32
    started = HvqModule(config, settings(), "joint", None)
    load_weights(started, [out])
    assert torch.equal(started.model.prior.log_prior, load_module(out).model.prior.log_prior)


def test_averaged_weights_are_those_that_are_merged(checkpoint: Path) -> None:
    plain = saved(run(checkpoint, "--codes", 32))["state_dict"]["model.prior.features"]
    content = saved(checkpoint)
    averaged = content["state_dict"]["model.prior.features"] + 1
    content[CHECKPOINT_KEY] = {"updates": 1, "weights": {"model.prior.features": averaged}}
    torch.save(content, checkpoint)
    merged = saved(run(checkpoint, "--codes", 32, "--force"))
    assert CHECKPOINT_KEY not in merged
    torch.testing.assert_close(merged["state_dict"]["model.prior.features"], plain + 1)


def test_bad_input_is_one_line(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fresh = module("backbone", settings())
    fresh.model.quantiser.initialised.fill_(False)
    unstarted = checkpoint.with_name("fresh.ckpt")
    write_checkpoint(unstarted, fresh, "backbone")
    out = checkpoint.with_name("out.ckpt")
    for name, options, text in (
        ("absent.ckpt", (), "absent.ckpt: not a checkpoint of hvqcgic (there is no such file)"),
        ("fresh.ckpt", (), "its codebook was never started"),
        ("joint.ckpt", ("--codes", "96"), "has 64; use 2 to 63"),
        ("joint.ckpt", ("-o", str(checkpoint)), "is the input itself"),
    ):
        source = checkpoint.with_name(name)
        quick = ["--codes", "32", "-o", str(out), *options]
        assert resize_codebook.main([str(source), *quick]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("resize_codebook: ")
        assert text in line
        assert not out.exists()
