"""The help shows every command with an example, and first the options of a command that most calls need."""

import re
import shlex

import pytest

from hvqcgic.cli.console import COMMANDS, FIRST, GROUPS, build_parser
from tests.command_calls import Call


def test_the_overview_names_every_command_with_its_example(call: Call) -> None:
    said = call("--help").out
    for title, commands in GROUPS.items():
        block = said.split(f"{title}:\n")[1].split("\n\n")[0]
        assert [line.split()[0] for line in block.splitlines()[::2]] == list(commands)
        assert [line.strip() for line in block.splitlines()[1::2]] == [
            f"$ {each.EXAMPLE}" for each in commands.values()
        ]
    assert all(f"python -m hvqcgic.{name} " in said for name in ("train", "export", "evaluate", "sweep", "scale"))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_example_is_a_call_of_its_command(name: str) -> None:
    words = shlex.split(COMMANDS[name].EXAMPLE.removeprefix('eval "$(').removesuffix(')"'))
    assert words[:2] == ["hvqcgic", name]
    assert build_parser().parse_args(words[1:]).command == name


@pytest.mark.parametrize("name", sorted(FIRST))
def test_the_options_that_most_calls_need_come_first(call: Call, name: str) -> None:
    said = call(name, "--help").out
    first, others = said.split("options that most calls need:\n")[1].split("other options:\n")
    assert re.findall(r"^  (?:-\w,? \S+, )?(--[\w-]+)", first, re.M) == list(FIRST[name])
    assert len(FIRST[name]) == 5
    assert not [option for option in FIRST[name] if re.search(rf"^  (?:-\w \S+, )?{option} ", others, re.M)]
    assert "--jobs" in others


def test_an_error_names_the_help_of_its_command(call: Call) -> None:
    assert call("compress").complaint.endswith("(see hvqcgic compress --help)")
