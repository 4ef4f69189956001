"""Every example of docs/extending.md is applied to a copy of the package and checked there."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(python|diff)\n(.*?)```", re.S)
MOST_FILES = 2


@dataclass
class Example:
    """A section of the page: new files, changes of files that exist, and a program that checks the result."""

    title: str
    new: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    check: str = ""

    @property
    def files(self) -> set[str]:
        return {*self.new, *(path for path, _, _ in self.changes)}


def examples() -> Iterator[Example]:
    for section in PAGE.split("\n## ")[1:]:
        example = Example(section.partition("\n")[0])
        path, end = "", 0
        for block in BLOCK.finditer(section):
            before, end = section[end : block.start()], block.end()
            named = re.findall(r"(New file|In) `([\w/.]+)`:", before)
            path = named[-1][1] if named else path
            language, text = block.groups()
            if language == "diff":
                old = "\n".join(line[1:] for line in text.splitlines() if not line.startswith("+"))
                new = "\n".join(line[1:] for line in text.splitlines() if not line.startswith("-"))
                example.changes.append((path, old, new))
            elif "Check:" in before:
                example.check = text
            else:
                example.new[path] = text
        yield example


EXAMPLES = list(examples())


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package, all examples applied."""
    folder = tmp_path_factory.mktemp("extended")
    package = folder / "hvqcgic"
    shutil.copytree(ROOT / "hvqcgic", package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    for example in EXAMPLES:
        for path, text in example.new.items():
            assert not (package / path).exists()
            (package / path).write_text(text, encoding="utf-8")
        for path, old, new in example.changes:
            source = (package / path).read_text(encoding="utf-8")
            assert source.count(f"{old}\n") == 1, f"{example.title}: {path} does not hold once:\n{old}"
            (package / path).write_text(source.replace(f"{old}\n", f"{new}\n"), encoding="utf-8")
    return folder


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_an_example_is_a_matter_of_one_or_two_files(example: Example) -> None:
    assert 1 <= len(example.files) <= MOST_FILES
    row = next(line for line in PAGE.splitlines() if f"[{example.title.lower()}]" in line)
    for path in example.files:
        assert path in row or f"{Path(path).parent}/" in row


def test_every_walk_has_its_example() -> None:
    listed = re.findall(r"^\| \[([^]]+)\]", PAGE, re.M)
    assert [example.title.lower() for example in EXAMPLES] == listed
    assert len(listed) == 7


def test_the_examples_work_in_a_copy_of_the_package(extended: Path) -> None:
    program = "\n".join(f"def check_{number}():\n{indent(each.check)}" for number, each in enumerate(EXAMPLES))
    program += "\nimport hvqcgic\nprint(hvqcgic.__file__)\n"
    program += "".join(f"check_{number}()\nprint({each.title!r})\n" for number, each in enumerate(EXAMPLES))
    run = subprocess.run([sys.executable, "-c", program], cwd=extended, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert Path(lines[0]) == extended / "hvqcgic/__init__.py"
    assert lines[1:] == [example.title for example in EXAMPLES]


def indent(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())
