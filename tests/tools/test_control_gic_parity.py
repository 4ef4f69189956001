"""The comparison with the published code's results: ours agree, and every difference is found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import control_gic_model
import numpy as np
import pytest
import torch
from control_gic_checkpoint import read_checkpoint
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import hvqcgic
from hvqcgic.bitstream.schedule import GRANULARITIES
from tests.command_calls import Result

Import = Callable[..., Result]


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    return shared / "fixtures/control_gic_parity.safetensors"


def altered(published: Path, folder: Path, changes: dict[str, torch.Tensor | None], **metadata: str) -> Path:
    """The fixture with some tensors replaced, or left out where None."""
    with safe_open(published, "pt") as file:
        about = file.metadata() | metadata
    tensors = load_file(published) | changes
    save_file({name: value for name, value in tensors.items() if value is not None}, folder / "f.safetensors", about)
    return folder / "f.safetensors"


def test_our_network_is_the_published_one(run: Import, published: Path) -> None:
    found = run("--check", published, "--json")
    report = json.loads(found.out)
    assert (found.code, report["passed"], report["unknown"]) == (0, True, [])
    assert report["absent"] == [f"case2/expect/decoder_branch_{g}" for g in ("coarse", "fine", "medium")]
    checked = {(entry["case"], entry["what"]): entry["difference"] for entry in report["comparisons"]}
    for case in ("case1", "case2"):
        assert checked[case, "entropy_16"] <= 1e-6
        assert checked[case, "quantizer_input"] <= 5e-5
        assert checked[case, "index_map"] == checked[case, "stream_indices_fine"] == 0
    assert len({case for case, _ in checked if case.startswith("router ")}) == 13


CHANGES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "case2/expect/entropy_8": lambda x: x + 2e-4,
    "expect/features_fine": lambda x: x + 2e-4 * (x == x.max()),
    "expect/reconstruction": lambda x: x - 6e-4,
    "case2/expect/index_map": lambda x: x + (x == x.max()),
    "expect/mask_medium": lambda x: 1 - x,
    "expect/huffman_code_length": lambda x: x.flip(0),
    "case2/expect/stream_indices_medium": lambda x: x[:-1],
    "router/0.5_0.0_0.5/mask_fine": lambda x: 1 - x,
}


def test_every_difference_is_found(run: Import, published: Path, tmp_path: Path) -> None:
    tensors = load_file(published)
    source = altered(published, tmp_path, {name: change(tensors[name]) for name, change in CHANGES.items()})
    found = run("--check", source, "--json")
    wrong = [entry for entry in json.loads(found.out)["comparisons"] if not _passed(entry)]
    assert found.code == 1
    assert len(wrong) == len(CHANGES)
    shown = run("--check", source)
    assert shown.code == 1
    assert shown.out.count("FAILED") == len(CHANGES)
    assert f"{len(CHANGES)} beyond their limits" in shown.out


def _passed(entry: dict[str, Any]) -> bool:
    return entry["difference"] is not None and entry["difference"] <= entry["limit"]


def test_a_fixture_of_another_mode_and_with_fewer_tensors(run: Import, published: Path, tmp_path: Path) -> None:
    """The first case alone, at the ratios of a mode without fine cells: what is left must still agree."""
    tensors = load_file(published)
    about = {"height": 128, "width": 160, "ratios": [0.0, 0.5, 0.5]}
    masks = {f"expect/mask_{g}": tensors[f"router/0.0_0.5_0.5/mask_{g}"].int() for g in GRANULARITIES}
    kept = ("state/", "input/", "expect/entropy", "expect/features", "expect/huffman")
    gone = dict.fromkeys(name for name in tensors if not name.startswith(kept))
    source = altered(published, tmp_path, gone | masks, case1=json.dumps(about), router="{}")
    found = run("--check", source, "--json")
    report = json.loads(found.out)
    assert found.code == 0, found.out
    assert {f"expect/stream_{name}" for name in ("indices_coarse", "indices_medium", "mask_coarse")} <= set(
        report["absent"]
    )
    assert "expect/stream_indices_fine" not in report["absent"]
    assert {entry["what"] for entry in report["comparisons"]} >= {"mask_fine", "features_fine", "entropy_16"}


@pytest.mark.parametrize(
    ("changes", "metadata", "message"),
    [
        ({"state/decoder.conv_out.bias": None}, {}, "missing decoder.conv_out.bias"),
        ({"input/image": torch.zeros(1, 3, 120, 160)}, {}, "expected (1, 3, 128, 160)"),
        ({}, {"codebook": '{"K": 511}'}, "its metadata say K 511, its weights 512"),
        ({}, {"case2": "{}"}, "do not give the ratios of case2"),
    ],
)
def test_a_fixture_that_contradicts_itself_is_refused(
    run: Import, published: Path, tmp_path: Path, changes: dict[str, Any], metadata: dict[str, str], message: str
) -> None:
    found = run("--check", altered(published, tmp_path, changes, **metadata))
    assert (found.code, found.out) == (2, "")
    assert message in found.err


def test_no_fixture_at_all(run: Import, tmp_path: Path, tiny_model_path: Path) -> None:
    for source in (tiny_model_path, tmp_path / "absent.safetensors", Path(__file__)):
        found = run("--check", source)
        assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)


def test_the_fixture_imports_and_codes(run: Import, published: Path, tmp_path: Path) -> None:
    out = tmp_path / "reduced.safetensors"
    assert run(published, "-o", out, "--selection", "published", "--input-range", "signed").code == 0
    codec = hvqcgic.load(out, "cpu")
    with safe_open(published, "pt") as file:
        picture, expected = file.get_tensor("input/image"), file.get_tensor("expect/index_map")
    pixels = ((picture[0] + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    encoded = codec.encode(pixels, ratios=(0.5, 0.4, 0.1))
    for granularity, factor in (("coarse", 4), ("medium", 2), ("fine", 1)):
        chosen = expected[0, ::factor, ::factor].numpy()[encoded.masks[granularity]]
        assert np.array_equal(encoded.indices[granularity], chosen)
    assert control_gic_model.derive_config(read_checkpoint(published).state).codebook_size == 512
