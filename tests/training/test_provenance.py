"""The record of the pictures that weights were trained on."""

import shutil
from pathlib import Path

import pytest

import hvqcgic
from hvqcgic import export
from hvqcgic.model_files import RECORD_KEY
from hvqcgic.training.provenance import NOT_RECORDED, before_resuming, pictures_text
from hvqcgic.training.stages import Machine, run_stage
from tests.training.small_training import Pictures, module, saved, settings, write_checkpoint


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["cats-1.webp"], "1 picture: cats 1"),
        (["a/cats-1.webp", "a/cats-2.webp", "azure-1.webp", "3.png"], "4 pictures: azure 1, cats 2, 1 of other names"),
        (["1.png", "2.png"], "2 pictures"),
        ([f"p{number:02d}-1.png" for number in range(50)], ", p39 1, 10 of other names"),
    ],
)
def test_pictures_are_counted_by_their_prefixes(names: list[str], text: str) -> None:
    assert pictures_text(names).endswith(text)


def test_a_resumed_training_keeps_the_lines_of_other_pictures() -> None:
    lines = ["backbone, 9 steps: 4 pictures", "joint, 5 steps: 2 pictures"]
    assert before_resuming(lines, "joint", 5, "2 pictures") == lines[:1]
    assert before_resuming(lines, "joint", 5, "3 pictures") == lines
    assert before_resuming([], "joint", 5, "3 pictures") == []


def test_each_training_adds_a_line_to_those_of_its_start(picture_folder: Path, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "old.ckpt", module("joint", settings()), "joint")
    pictures = Pictures(picture_folder, val=str(picture_folder))
    for name, start, steps in [("one", "old.ckpt", 3), ("two", "one/joint.ckpt", 2)]:
        run_stage(
            module("joint", settings(steps=steps)), pictures, Machine(tmp_path / name, "cpu"), start=[tmp_path / start]
        )
    more = tmp_path / "more"
    shutil.copytree(picture_folder, more)
    for place, path in enumerate(sorted(picture_folder.iterdir())[:2]):
        shutil.copy(path, more / f"cats-{place}{path.suffix}")
    others = Pictures(more, val=str(picture_folder))
    run_stage(module("joint", settings()), others, Machine(tmp_path / "one", "cpu", resume=True))
    assert (own := pictures_text(pictures.names)) != (other := pictures_text(others.names))
    first, second = (saved(tmp_path / name / "joint.ckpt")[RECORD_KEY] for name in ("one", "two"))
    assert first == [NOT_RECORDED, f"joint, 3 steps: {own}", f"joint, 6 steps: {other}"]
    assert second == [NOT_RECORDED, f"joint, 3 steps: {own}", f"joint, 2 steps: {own}"]


def test_the_record_is_in_the_card_of_the_exported_model(picture_folder: Path, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "start.ckpt", module("joint", settings()), "joint")
    pictures, machine = Pictures(picture_folder), Machine(tmp_path / "run", "cpu")
    run_stage(module("joint", settings(steps=1)), pictures, machine, start=[tmp_path / "start.ckpt"])
    output = tmp_path / "mine.safetensors"
    assert export.main([str(tmp_path / "run/joint.ckpt"), "-o", str(output), "--val", str(picture_folder)]) == 0
    line = f"joint, 1 steps: {pictures_text(pictures.names)}"
    assert hvqcgic.load(output, device="cpu").card == {RECORD_KEY: [NOT_RECORDED, line]}
