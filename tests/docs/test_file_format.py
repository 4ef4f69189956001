"""docs/file_format.md is enough to write another decoder, which is here, and its hexdump is that of a golden file."""

import re
from pathlib import Path

import numpy as np
import pytest

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
        for g, values in z.items():
            sent = other_decoder.any_in_blocks(masks[g], 4)
            assert np.array_equal(values, stored[f"z.{g}"] * sent)


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
