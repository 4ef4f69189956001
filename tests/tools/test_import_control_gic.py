"""Importing Control-GIC: what comes out codes pictures, what goes in is looked at closely, and parity is checked."""

import json
import os
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import import_control_gic
import numpy as np
import pytest
import torch
from control_gic_model import COUNTER
from safetensors.torch import load_file, save_file

import hvqcgic
from hvqcgic.bitstream import MODES
from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.model_files.registry import read_summary
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.index_prior import parameter_count
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.module import HvqModule
from hvqcgic.training.starts import load_weights
from tests.command_calls import Result
from tests.control_gic import build, published_state, save, wide_enough
from tests.random_model import random_picture

Import = Callable[..., Result]


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return published_state(build(wide_enough()), ema=True)


@pytest.fixture(scope="module")
def raw(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in state.items() if not name.startswith("ema_")}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, raw: dict[str, torch.Tensor]) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    out = folder / "small.safetensors"
    assert import_control_gic.main([str(save(raw, folder / "model.ckpt")), "-o", str(out)]) == 0
    return out


def lightning_file(state: dict[str, torch.Tensor], path: Path) -> Path:
    """Weights, discriminator, shadows and the optimiser's memory, as a training leaves them."""
    extra = {"loss.discriminator.main.0.weight": torch.zeros(64, 3, 4, 4)}
    moments = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 5e-5}]}
    return save({"epoch": 3, "state_dict": state | extra, "optimizer_states": [moments]}, path)


def test_an_import_holds_the_weights_and_counts_as_they_are(imported: Path, raw: dict[str, torch.Tensor]) -> None:
    model = hvqcgic.load(imported, "cpu").networks
    weights = model.state_dict()
    for published, value in raw.items():
        if published.startswith(("encoder.", "decoder.")):
            assert torch.equal(weights[published], value)
    assert torch.equal(weights["encoder.quant_conv.weight"], raw["quant_conv.weight"])
    assert torch.equal(weights["decoder.post_quant_conv.bias"], raw["post_quant_conv.bias"])
    assert torch.equal(weights["quantiser.codebook"], raw["quantize.embedding.weight"])
    usage = load_file(imported)["entropy.usage"]
    assert usage.tolist() == [[k * k for k in range(12)]] * 3


def test_an_import_is_the_same_file_every_time(
    run: Import, imported: Path, tmp_path: Path, raw: dict[str, torch.Tensor]
) -> None:
    torch.rand(3)
    again = tmp_path / "small.safetensors"
    assert run(save(raw, tmp_path / "model.ckpt"), "-o", again).code == 0
    assert read_summary(again).fingerprint == read_summary(imported).fingerprint


@pytest.mark.parametrize("size", [(50, 41), (16, 16), (64, 33)])
def test_an_import_codes_pictures_in_every_mode(imported: Path, size: tuple[int, int]) -> None:
    codec = hvqcgic.load(imported, "cpu")
    picture = random_picture(*size, seed=4)
    encoded = codec.encode(picture, ratios=(0.5, 0.4, 0.1))
    expected = np.asarray(codec.reconstruct(encoded))
    assert expected.shape == picture.shape
    sizes = {}
    for mode in MODES:
        written = codec.write(encoded, coding=mode)
        again = codec.read(written.data)
        for granularity in GRANULARITIES:
            assert np.array_equal(again.indices[granularity], encoded.indices[granularity])
            assert np.array_equal(again.masks[granularity], encoded.masks[granularity])
        assert np.array_equal(np.asarray(codec.decompress(written.data)), expected)
        sizes[mode] = written.estimated_bits
    # Nothing but usage counts is known before a hyperprior is fitted; 0 uses count as half a use or as one.
    assert sizes["adaptive"] == pytest.approx(sizes["static-arithmetic"], rel=0.03)


def test_a_lightning_file_with_all_its_extras(run: Import, tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    source = lightning_file(state, tmp_path / "model.ckpt")
    out = tmp_path / "x.safetensors"
    found = run(source, "-o", out)
    assert found.code == 0, found.err
    shadows = sum(name.startswith("ema_") for name in state)
    assert f"ignored    1 entries of loss.*, {shadows} entries of ema_*, epoch, optimizer_states" in found.out
    refused = run(source, "-o", out)
    assert (refused.code, "exists already" in refused.err) == (2, True)
    averaged = run(source, "-o", tmp_path / "ema.safetensors", "--ema", "--json")
    assert json.loads(averaged.out)["weights"] == "EMA shadows"
    tensors, shadow = load_file(out), load_file(tmp_path / "ema.safetensors")
    assert torch.equal(shadow["network.encoder.conv_in.weight"], 2 * tensors["network.encoder.conv_in.weight"])
    assert torch.equal(shadow["network.quantiser.codebook"], 2 * tensors["network.quantiser.codebook"])
    assert torch.equal(shadow["entropy.usage"], tensors["entropy.usage"])


def test_what_is_asked_for_is_what_is_written(run: Import, tmp_path: Path, raw: dict[str, torch.Tensor]) -> None:
    save_file(raw, tmp_path / "model.safetensors")
    (tmp_path / "card.json").write_text('{"data": "mine"}', encoding="utf-8")
    out = tmp_path / "asked.safetensors"
    options = ["--selection", "published", "--input-range", "signed", "--half", "--card", tmp_path / "card.json"]
    assert run(tmp_path / "model.safetensors", "-o", out, *options).code == 0
    summary = read_summary(out)
    config = ModelConfig.from_dict(summary.config)
    assert (config.name, config.selection, config.input_range) == ("asked", "published", "signed")
    assert summary.card == {"data": "mine"}
    kinds = {value.dtype for name, value in load_file(out).items() if name.startswith("network.")}
    assert kinds == {torch.float16}
    picture = random_picture(40, 40, seed=1)
    codec = hvqcgic.load(out, "cpu")
    assert np.asarray(codec.decompress(codec.compress(picture))).shape == picture.shape


def test_training_starts_from_an_import(imported: Path) -> None:
    config = ModelConfig.from_dict(read_summary(imported).config | {"entropy": {}})
    module = HvqModule(config, TrainingConfig(), "hyperprior", None)
    load_weights(module, [imported])
    codec = hvqcgic.load(imported, "cpu")
    assert torch.equal(module.model.quantiser.codebook, codec.networks.quantiser.codebook)
    usage = module.model.quantiser.usage[0]
    assert usage.tolist() == [k * k for k in range(12)]
    expected = torch.log2((usage + 0.5) / (usage + 0.5).sum())
    model = module.model
    zeros = torch.zeros(1, parameter_count(config.entropy, config.code_width))
    torch.testing.assert_close(model.prior(zeros, 2, model.quantiser.codebook)[0], expected)


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


class Odd:
    """Of a class that Lightning might have stored."""


def complaint(run: Import, source: Path, *options: object) -> str:
    """What an import says that is refused: one line, and nothing is written."""
    out = source.with_name("out.safetensors")
    found = run(source, "-o", out, *options)
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1), found.err
    assert str(source) in found.err
    assert not out.exists()
    return found.err


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_wants_to_run_code_is_refused(
    run: Import, tmp_path: Path, raw: dict[str, torch.Tensor], *, legacy: bool
) -> None:
    content = {"state_dict": raw, "callbacks": Evil(tmp_path / "ran")}
    torch.save(content, tmp_path / "evil.ckpt", _use_new_zipfile_serialization=not legacy)
    assert "mkdir, which could run code" in complaint(run, tmp_path / "evil.ckpt")
    assert not (tmp_path / "ran").exists()


def test_what_lightning_stores_beside_weights_is_read_as_nothing(
    run: Import, tmp_path: Path, raw: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("omegaconf")
    module.Odd = Odd  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setattr(Odd, "__module__", "omegaconf")
    monkeypatch.setitem(sys.modules, "omegaconf", module)
    odd = Odd()
    odd.content = 3  # pyright: ignore
    source = save({"state_dict": raw, "hyper_parameters": odd}, tmp_path / "model.ckpt")
    found = run(source, "-o", tmp_path / "x.safetensors")
    assert found.code == 0, found.err
    assert "ignored    hyper_parameters" in found.out


def test_damaged_and_foreign_files_are_refused_in_one_line(
    run: Import, tmp_path: Path, raw: dict[str, torch.Tensor]
) -> None:
    source = save(raw, tmp_path / "x.ckpt")
    content = source.read_bytes()
    for length in (0, 10, 1000, len(content) // 2, len(content) - 100):
        source.write_bytes(content[:length])
        complaint(run, source)
    save_file(raw, tmp_path / "x.safetensors")
    content = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    assert "cut short" in complaint(run, tmp_path / "cut.safetensors")
    assert "no such file" in complaint(run, tmp_path / "absent.ckpt")
    (tmp_path / "text.ckpt").write_text("state_dict", encoding="utf-8")
    complaint(run, tmp_path / "text.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps({"state_dict": 1}, protocol=4))
    complaint(run, tmp_path / "plain.ckpt")
    assert "holds no state dict" in complaint(run, save([1, 2], tmp_path / "list.ckpt"))
    assert "holds no state dict" in complaint(run, save({"epoch": 3}, tmp_path / "none.ckpt"))
    other = {name: value for name, value in raw.items() if "mid_" not in name}
    assert "not a Control-GIC checkpoint" in complaint(run, save(other, tmp_path / "vqgan.ckpt"))
    assert "no EMA shadows" in complaint(run, save(raw, tmp_path / "raw.ckpt"), "--ema")
    broken = raw | {"decoder.conv_out.bias": torch.full((3,), float("nan"))}
    assert "decoder.conv_out.bias holds numbers that are not finite" in complaint(
        run, save(broken, tmp_path / "nan.ckpt")
    )
    negative = raw | {f"{COUNTER}3": torch.tensor([-1.0])}
    assert "must be 0 to 2^40" in complaint(run, save(negative, tmp_path / "negative.ckpt"))


def lines_of(run: Import, state: dict[str, torch.Tensor], folder: Path, *options: object) -> list[str]:
    """Problems that an import names, without the file's name."""
    source = save(state, folder / "x.ckpt")
    found = run(source, "-o", folder / "x.safetensors", *options)
    assert (found.code, found.out) == (2, "")
    assert not (folder / "x.safetensors").exists()
    return [line.removeprefix(f"import_control_gic: {source}: ") for line in found.err.splitlines()]


@pytest.mark.parametrize(
    "key", ["encoder.conv_in.weight", "encoder.down.3.block.0.conv1.weight", "quant_conv.bias", f"{COUNTER}7"]
)
def test_a_missing_key_is_named_with_its_shape(
    run: Import, tmp_path: Path, raw: dict[str, torch.Tensor], key: str
) -> None:
    rest = {name: value for name, value in raw.items() if name != key}
    assert lines_of(run, rest, tmp_path) == [f"missing {key}, expected of shape {tuple(raw[key].shape)}"]


@pytest.mark.parametrize(
    "key", ["encoder.conv_in.weight", "encoder.down.2.block.0.norm2.bias", "decoder.conv_out.bias"]
)
def test_a_misshapen_key_is_named_with_both_shapes(
    run: Import, tmp_path: Path, raw: dict[str, torch.Tensor], key: str
) -> None:
    wrong = torch.zeros(raw[key].shape[0] + 1, *raw[key].shape[1:])
    expected = f"misshapen {key}: {tuple(wrong.shape)}, expected {tuple(raw[key].shape)}"
    assert lines_of(run, raw | {key: wrong}, tmp_path) == [expected]


def test_all_kinds_of_problems_are_named_and_long_lists_cut(
    run: Import, tmp_path: Path, raw: dict[str, torch.Tensor]
) -> None:
    more = {f"encoder.more.{place}": torch.zeros(2) for place in range(13)}
    lines = lines_of(run, {k: v for k, v in raw.items() if not k.startswith("decoder.norm_out")} | more, tmp_path)
    assert lines[0].startswith("missing decoder.norm_out.norm_layer.weight, expected of shape (32,)")
    assert lines[-2] == "unexpected encoder.more.9, of shape (2,)"
    assert lines[-1] == "... and 3 more unexpected"


def test_a_missing_shadow_is_named(run: Import, tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    rest = {name: value for name, value in state.items() if name != "ema_encoder.conv_inweight"}
    assert lines_of(run, rest, tmp_path, "--ema") == [
        "missing ema_encoder.conv_inweight, expected of shape (32, 3, 3, 3)"
    ]


def test_a_command_line_that_asks_for_nothing_is_refused(run: Import, tmp_path: Path) -> None:
    for arguments in (
        [],
        [tmp_path / "x.ckpt"],
        [tmp_path / "x.ckpt", "-o", tmp_path / "y", "--check", tmp_path / "z"],
    ):
        with pytest.raises(SystemExit) as caught:
            run(*arguments)
        assert caught.value.code == 2
