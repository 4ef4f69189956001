"""Calling the commands in this process, and what to call them with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


class Result:
    """What one call of the command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def complaint(self) -> str:
        """The one line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("hvqcgic: ")
        return lines[0]


Call = Callable[..., Result]


def caller(main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls a program in this process; what it printed and its exit code come back."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


def touch(*paths: Path) -> None:
    """Files of one byte, with their folders."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def save_picture(path: Path, *, seed: int, size: tuple[int, int] = (52, 37)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def bad_pictures(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    whole = save_picture(folder / "whole.jpg", seed=3, size=(200, 200)).read_bytes()
    (folder / "whole.jpg").unlink()
    contents = {"empty.png": b"", "text.jpg": b"This is a text file.\n", "cut.jpg": whole[: len(whole) // 2]}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in (*contents, "missing.png")}
