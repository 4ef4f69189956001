"""docs/file_format.md is enough to write another decoder, which is here, and its hexdump is that of a golden file."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from hvqcgic.entropy.index_prior import IndexPrior, freeze_prior
from hvqcgic.entropy.means_coding import MeansCoder, fit_means_table
from hvqcgic.entropy.range_coding import RangeEncoder
from tests.docs import other_decoder

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/file_format.md").read_text("utf-8")
GOLDEN = ROOT / "tests/golden/v1"
FILES = sorted(GOLDEN.glob("*/*.hvq"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_another_decoder_reads_the_same_integers(file: Path) -> None:
    head, masks, z, indices = other_decoder.decode(file.read_bytes(), file.parent / "model.safetensors")
    assert f".{head['mode']}." in file.name
    with np.load(file.parent / f"{file.name.split('.')[0]}.npz") as stored:
        for g in other_decoder.GRANULARITIES:
            assert np.array_equal(masks[g], stored[f"mask.{g}"])
            assert np.array_equal(indices[g], stored[f"indices.{g}"])
        footprint = other_decoder.read_model(file.parent / "model.safetensors")[0].get("z_footprint", 4)
        for name, values in z.items():
            sent = other_decoder.any_in_blocks(masks[name], footprint) if name in masks else 1
            assert np.array_equal(values, stored[f"z.{name}"] * sent)


@pytest.mark.parametrize("form", ["mahalanobis", "learned", "quadratic"])
def test_the_costs_of_every_form_are_those_of_the_page(form: str) -> None:
    generator = np.random.default_rng(1)
    codes, bias = generator.normal(size=(40, 4)), generator.normal(size=(3, 40))
    spec, arrays = freeze_prior(form, codebook=codes, log_prior=bias, features=codes if form == "learned" else None)
    prior = IndexPrior(spec, arrays, activation_bits=12)
    numbers = np.round(generator.normal(size=(30, prior.parameter_count)) * 3 * 4096)
    expected = np.concatenate([part.frequencies.copy() for part in prior.chunks(torch.from_numpy(numbers), "medium")])
    tables = {name: values.astype(np.int64) for name, values in arrays.items()}
    curve = tables["prior.frequencies"]
    for row, frequencies in zip(numbers.astype(np.int64), expected, strict=True):
        steps = other_decoder.costs(row, "medium", {"prior": spec, "activation_bits": 12}, tables)
        assert np.array_equal(curve[np.minimum(steps, len(curve) - 1)], frequencies)


def test_local_means_are_read_as_the_page_says() -> None:
    latents = np.random.default_rng(0).integers(-6, 7, (3, 5, 7)).cumsum(2) // 3
    table = fit_means_table([latents], 20)
    encoder = RangeEncoder()
    MeansCoder(table).encode(encoder, latents)
    decoder = other_decoder.RangeDecoder(encoder.finish())
    assert np.array_equal(other_decoder.read_means(decoder, table.astype(np.int64), 5, 7), latents)


def test_the_other_decoder_is_another_one() -> None:
    text = (ROOT / "tests/docs/other_decoder.py").read_text("utf-8")
    assert not re.findall(r"^\s*(?:from|import) (?:hvqcgic|torch|constriction|tests)", text, re.M)


def by_hand() -> tuple[bytes, str]:
    """The golden file that the page takes apart, and that section of the page."""
    section = PAGE.split("## A file by hand")[1]
    return (ROOT / section.split("`")[1]).read_bytes(), section


def test_the_hexdump_is_the_file() -> None:
    data, section = by_hand()
    lines = re.findall(r"^[0-9a-f]{8}: (.*)$", section, re.M)
    assert bytes.fromhex("".join(lines)) == data


def test_every_byte_has_its_row() -> None:
    data, section = by_hand()
    rows = re.findall(r"^\| (\d+) \| `([0-9a-f ]+)` \| (.*) \|$", section, re.M)
    position = 0
    for offset, digits, _ in rows:
        assert int(offset) == position
        assert data[position : position + len(digits.split())] == bytes.fromhex(digits)
        position += len(digits.split())
    assert position == len(data)


def test_the_words_by_hand_are_those_of_the_indices() -> None:
    data, section = by_hand()
    words = re.findall(r"\b([01]+) \((?:index )?(\d+)\)", section)
    _, _, _, indices = other_decoder.decode(data, GOLDEN / "seven-passes/model.safetensors")
    assert [int(index) for _, index in words] == indices["medium"].tolist()
    bits = "".join(f"{byte:08b}" for byte in data[19:24])
    assert bits == "".join(word for word, _ in words) + "000"
