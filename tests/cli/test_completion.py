"""The completion is a script that the shell runs: it completes commands, options and choices."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hvqcgic.cli.completion import SHELLS
from tests.command_calls import Call


def completed(script: str, *words: str) -> set[str]:
    """What bash offers for the last of some words."""
    program = f"""{script}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}; COMP_LINE="{" ".join(words)}"
$(complete -p hvqcgic | grep -o -- '-F [^ ]*' | cut -c4-) hvqcgic '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    run = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    return {word.strip() for word in run.stdout.splitlines()}


def test_bash_completes_commands_options_and_choices(call: Call) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine")
    script = call("completion", "bash").out
    assert completed(script, "hvqcgic", "comp") == {"compress", "compare", "completion"}
    assert {"--budget", "--budget-by"} <= completed(script, "hvqcgic", "compress", "--budg")
    assert completed(script, "hvqcgic", "compress", "--coding", "static") == {"static-arithmetic", "static-huffman"}


@pytest.mark.parametrize("command", ["compress", "decompress", "info", "compare", "explore"])
def test_bash_completes_the_files_of_every_command(call: Call, tmp_path: Path, command: str) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine")
    (tmp_path / "photo.jpg").touch()
    script = call("completion", "bash").out
    assert completed(script, "hvqcgic", command, f"{tmp_path}/ph") == {f"{tmp_path}/photo.jpg"}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script(call: Call, shell: str) -> None:
    result = call("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert "static-huffman" in result.out


def test_an_unknown_shell_is_refused_with_those_that_are_known(call: Call) -> None:
    assert "'bash', 'zsh', 'fish'" in call("completion", "nosh").complaint
