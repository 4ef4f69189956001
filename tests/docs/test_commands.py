"""Every command and every Python example of the README and the manual works as it stands, on small pictures.

A shell command stands in a block ```sh, or after `$ ` in a block ```console. It is run in a folder that holds what it
names, with the options of SMALL added. Those of PARSED, which need a cluster, a download or an hour, are parsed by the
program's own parser, so that a wrong option fails. Those of NAMED are only looked for.
"""

import argparse
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonargparse
import pytest
import torch
from PIL import Image

from hvqcgic.cli.console import main as hvqcgic_command
from hvqcgic.evaluation import parse_specs
from tests.random_model import random_picture
from tests.test_project import EXTRAS
from tests.training.small_training import module, settings, write_checkpoint

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
COMMAND = re.compile(
    r"(\$ )?(hvqcgic|python|make|pip|cat|torchrun|tensorboard|optuna-dashboard|dask|eval|bash|export)\b"
)

TRAIN = (
    "--data photos --val photos --pictures.crop_px 64 --pictures.batch_size 1 --training.steps 1 --backbone_steps 2 "
    "--hyperprior_steps 1 --training.codebook_start 1 --training.file_pictures 1 --perceptual none "
    "--accelerator cpu --threads 1 --force true"
)
SMALL = {
    r"python -m hvqcgic\.train": TRAIN,
    r"python -m hvqcgic\.export": "--val photos",
    r"python -m hvqcgic\.evaluate": "--metrics psnr_db --jobs 1",
    r"python -m hvqcgic\.sweep": "--trials 2 --objectives [bpp,psnr_db] --best {} --train_share 0",
    r"hvqcgic compress .*--budget 2MB": "--clamp",
    r"hvqcgic compress .*--(bpp|max-bytes|target)": "--clamp",
    r"python tools/make_shards\.py PICTURES": "--jobs 1",
}
"""Options that make a command small; the last of two values counts."""

PARSED = {
    r"torchrun .*-m hvqcgic\.train": "several machines",
    r"python -m hvqcgic\.train .*SHARDS": "tests/training trains from shards",
    r"python -m hvqcgic\.train --config reverse": "tests/training trains a reverse path",
    r"python -m hvqcgic\.train --config proxy": "tests/training trains a proxy decoder",
    r"python -m hvqcgic\.train --config control_gic": "a network of 100 million weights",
    r"python -m hvqcgic\.export runs/(control-gic|reverse|proxy)": "a checkpoint of such a training",
    r"hvqcgic compress .*control-gic\.safetensors": "a model that must be downloaded",
    r"python tools/import_control_gic\.py": "a checkpoint that must be downloaded",
    r"python -m hvqcgic\.evaluate (KODAK|.*--metrics)": "as that of the README, with more points",
    r"python -m hvqcgic\.sweep .*PICTURES --trials (12|50)$": "as that of the README",
    r"python -m hvqcgic\.sweep .*--storage postgresql": "a database server; tests/sweep starts one",
    r"python -m hvqcgic\.scale": "a cluster; tests/scale starts one",
    r"python -m hvqcgic\.compressai checkpoint": "a checkpoint that an example of the page writes",
    r"python -m tools\.bench_\w+": "minutes of measuring; tests/tools runs them small",
    r"python -m tools\.replace_model": "changes the package; tests/tools does it in a copy",
    r"python -m tools\.render_tensorboard": "a browser; tests/tools draws with one",
    r"hvqcgic explore": "serves until it is stopped; tests/explore drives its page",
    r"python experiments/": "an hour; tests/experiments runs them small",
}
NAMED = {
    r"make \w+": "an installation, and this test among those of `make test`",
    r"pip install": "a download",
    r"tensorboard --logdir": "serves until it is stopped",
    r"optuna-dashboard ": "serves until it is stopped",
    r"dask (scheduler|worker)": "serves until it is stopped",
    r'python -c "from pathlib': "a picture of 24 megapixels",
}


@dataclass(frozen=True)
class Command:
    """A command, on one line, and its page."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"

    def fits(self, patterns: dict[str, str]) -> str | None:
        """The first pattern of the keys that the command starts with."""
        return next((pattern for pattern in patterns if re.match(pattern, self.text)), None)


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    yield from BLOCK.findall(page.read_text("utf-8"))


def commands_of(language: str, text: str) -> Iterator[str]:
    lines = text.replace("\\\n", " ").splitlines()
    for line in lines:
        if language == "sh" or line.startswith("$ "):
            yield re.sub(r"\s+#.*$|\s{2,}", lambda found: "" if "#" in found[0] else " ", line.removeprefix("$ "))


def all_commands() -> list[Command]:
    """Each once, from the first page that has it."""
    found: dict[str, Command] = {}
    for page in PAGES:
        for language, text in blocks(page):
            if language in ("sh", "console"):
                for command in commands_of(language, text):
                    found.setdefault(command, Command(page.name, command))
    return list(found.values())


COMMANDS = all_commands()
RUN = [each for each in COMMANDS if not each.fits(PARSED) and not each.fits(NAMED)]
LONG = {
    r"python -m hvqcgic": "trains or compares",
    r"cat ": "three programs",
    r".*--(jobs|refine) ": "several processes",
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, tiny_model_path: Path) -> Path:
    """A folder with everything that the pages name, in small."""
    folder = tmp_path_factory.mktemp("workshop")
    for name in ("photos", "my_photos", "PICTURES", "KODAK", "KODAK_FOLDER", "demo", "runs/train", "coded"):
        (folder / name).mkdir(parents=True)
    for name in ("photos", "my_photos", "PICTURES", "KODAK", "KODAK_FOLDER"):
        for seed, stem in enumerate(("kodim04", "kodim21", "kodim23")):
            Image.fromarray(random_picture(192, 176, seed=seed)).save(folder / name / f"{stem}.png")
    for name in ("photo.jpg", "picture.jpg", "a.jpg", "b.jpg", "demo/unseen.png", "kodim23.png"):
        Image.fromarray(random_picture(352, 288, seed=len(name))).save(folder / name)
    for name in ("mine.safetensors", "demo/demo.safetensors"):
        shutil.copy(tiny_model_path, folder / name)
    write_checkpoint(folder / "runs/train/joint.ckpt", module("joint", settings()), "joint")
    compress = ["compress", str(folder / "photo.jpg"), "-o", str(folder / "photo.hvq")]
    assert hvqcgic_command(compress) == 0
    data = (folder / "photo.hvq").read_bytes()
    (folder / "half-a-download.hvq").write_bytes(data[: len(data) // 2])
    assert hvqcgic_command(["compress", str(folder / "photos/kodim23.png"), "-o", str(folder / "coded")]) == 0
    assert hvqcgic_command([*map(str, ("compress", folder / "demo/unseen.png", "-o", folder / "demo/unseen.hvq")),
                            "--model", str(folder / "mine.safetensors")]) == 0  # fmt: skip
    assert importlib.import_module("make_shards").main([str(folder / "photos"), "--out", str(folder / "SHARDS")]) == 0
    return folder


@pytest.fixture
def here(workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the workshop, as the current folder."""
    threads = torch.get_num_threads()
    copy = shutil.copytree(workshop, tmp_path / "here")
    monkeypatch.chdir(copy)
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))
    yield copy
    torch.set_num_threads(threads)


def program_of(words: list[str]) -> tuple[Callable[[], Any], list[str]]:
    """The main function of a command, and its arguments."""
    if words[0] == "torchrun":
        return program_of(["python", *words[words.index("-m") :]])
    if words[0] == "hvqcgic":
        return lambda: hvqcgic_command(sys.argv[1:]), words[1:]
    assert words[0] == "python"
    name, rest = (words[2], words[3:]) if words[1] == "-m" else (words[1], words[2:])
    if name.endswith(".py"):
        sys.path.insert(0, str((ROOT / name).parent))
        name = Path(name).stem
    module = importlib.import_module(name)
    return (module if hasattr(module, "main") else importlib.import_module(f"{name}.__main__")).main, rest


def call(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command in this process; its exit code."""
    main, rest = program_of(words)
    monkeypatch.setattr(sys, "argv", [words[0], *rest])
    try:
        return main() or 0
    except SystemExit as error:
        return int(error.code or 0)


class Parsed(BaseException):
    """The program has parsed its arguments; they are its argument."""


def free_result(words: list[str], here: Path) -> None:
    """Remove what a command is to write."""
    for before, word in pairwise(words):
        result = here / word
        if before in ("-o", "--output", "--out") and word != "-" and "--skip-existing" not in words:
            shutil.rmtree(result) if result.is_dir() else result.unlink(missing_ok=True)


def with_marks(commands: list[Command]) -> list[Any]:
    return [pytest.param(each, marks=[pytest.mark.slow] if each.fits(LONG) else []) for each in commands]


@pytest.mark.parametrize("command", with_marks(RUN), ids=str)
def test_a_command_works_as_it_stands(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    small = SMALL.get(command.fits(SMALL) or "", "")
    if re.search(r"[|>]|\$\(", command.text):
        run_in_a_shell(command.text, tmp_path)
        return
    words = [*shlex.split(command.text), *shlex.split(small)]
    free_result(words, here)
    code = call(words, monkeypatch)
    said = capfd.readouterr()
    if code and "LPIPS" in said.err and "weights" in said.err:
        pytest.skip(said.err.strip())
    assert code == 0, said.err


def run_in_a_shell(text: str, folder: Path) -> None:
    program = folder / "bin/hvqcgic"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m hvqcgic "$@"\n')
    program.chmod(0o755)
    paths = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        ["bash", "-euc", f"set -o pipefail; {text}"], env={**os.environ, **paths}, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.fits(PARSED)], ids=str)
def test_a_large_command_is_parsed_by_its_program(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stop_after(parse: Callable[..., Any]) -> Callable[..., Any]:
        def parse_and_stop(*arguments: Any, **options: Any) -> Any:
            raise Parsed(parse(*arguments, **options))

        return parse_and_stop

    for parser in (argparse.ArgumentParser, jsonargparse.ArgumentParser):
        monkeypatch.setattr(parser, "parse_args", stop_after(parser.parse_args))
    words = [word for word in shlex.split(command.text) if word != "..."]
    with pytest.raises(Parsed) as parsed:
        pytest.fail(f"exit code {call(words, monkeypatch)} before anything was parsed: {capfd.readouterr().err}")
    parse_specs(getattr(parsed.value.args[0], "codecs", None) or ["jpeg"])


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.fits(NAMED)], ids=str)
def test_a_command_that_is_only_named_is_there(command: Command) -> None:
    words = shlex.split(command.text)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M)
    elif words[0] == "pip":
        assert set(re.findall(r"hvqcgic\[(.*)\]", words[2])) <= set(EXTRAS)
    elif words[0] == "python":
        compile(words[2], command.page, "exec")
    else:
        assert shutil.which(words[0], path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def test_no_command_hides_in_another_block() -> None:
    hidden = [
        f"{page.name}: {text.splitlines()[0]}"
        for page in PAGES
        for language, text in blocks(page)
        if language not in ("sh", "console") and COMMAND.match(text)
    ]
    assert not hidden, "write ```sh, so that the command is tested"


def test_every_exception_is_that_of_a_command() -> None:
    for pattern in (*SMALL, *PARSED, *NAMED):
        assert any(re.match(pattern, each.text) for each in COMMANDS), pattern
    assert len(RUN) > len(COMMANDS) / 3


EXAMPLES = [
    (page, text)
    for page in PAGES
    if page.name != "extending.md"  # see test_extending.py
    for language, text in blocks(page)
    if language == "python"
]


@pytest.mark.parametrize(("page", "text"), EXAMPLES, ids=lambda value: getattr(value, "name", ""))
def test_a_python_example_works_as_it_stands(page: Path, text: str, here: Path) -> None:
    import hvqcgic

    codec = hvqcgic.load("tiny", device="cpu")
    data = (here / "photo.hvq").read_bytes()
    exec(
        compile(text, page.name, "exec"), {"codec": codec, "data": data, "torch": torch, "x": torch.rand(1, 3, 64, 96)}
    )
