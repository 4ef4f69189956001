"""What ends a program early is one line and an exit code, and signals are handled afterwards as they were before."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonargparse import Namespace

from hvqcgic.cli.ending import run_with_extra
from hvqcgic.cli.program import CONFIGS, find_config, new_parser, run_program
from hvqcgic.errors import ConfigError
from tests.command_calls import Call, caller

Run = Callable[[Namespace], int]


def program(run: Run, capsys: pytest.CaptureFixture[str]) -> Call:
    """A program with one option of its own."""

    def main(arguments: list[str]) -> int:
        parser = new_parser("tests.program", "Does one thing.", example="one.yaml")
        parser.add_argument("--number", type=int, default=7)
        return run_program("tests.program", lambda: parser.parse_args(arguments), run, kept="things that are done")

    return caller(main, capsys)


def fails(error: Exception) -> Run:
    def run(options: Namespace) -> int:
        raise error

    return run


def is_sent(number: signal.Signals) -> Run:
    def run(options: Namespace) -> int:
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was not heeded")

    return run


def test_options_reach_what_is_run_and_its_exit_code_is_the_programs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("number: 1\n")
    call = program(lambda options: options.number, capsys)
    for words, code in (([], 7), (["--number", 0], 0), (["--config", file], 1)):
        result = call(*words)
        assert (result.code, result.out, result.err) == (code, "", "")


@pytest.mark.parametrize("text", ["-1e-3", "-.5", "-2", "-2.5", "-1E5", "-.inf"])
def test_negative_values_need_no_equals_sign(capsys: pytest.CaptureFixture[str], text: str) -> None:
    given: list[float] = []

    def main(arguments: list[str]) -> int:
        parser = new_parser("tests.program", "Does one thing.")
        parser.add_argument("--number", type=float)
        return run_program("tests.program", lambda: parser.parse_args(arguments), note, kept="things that are done")

    def note(options: Namespace) -> int:
        given.append(options.number)
        return 0

    for words in (["--number", text], [f"--number={text}"]):
        assert caller(main, capsys)(*words).err == ""
    assert given == [float(text.replace(".inf", "inf"))] * 2


def test_help_names_the_program_and_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    result = program(fails(ValueError()), capsys)("--help")
    assert result.code == 0
    assert result.out.startswith("usage: python -m tests.program ")
    assert "one.yaml" in result.out


@pytest.mark.parametrize("words", [["--nunber", "1"], ["--number", "one"], ["--config", "nothing.yaml"]])
def test_options_that_do_not_parse_are_one_line(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    result = program(fails(ValueError()), capsys)(*words)
    assert result.code == 2
    assert words[0].strip("-") in result.complaint or words[1] in result.complaint
    assert result.complaint.endswith("(see python -m tests.program --help)")


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    result = program(fails(ConfigError("x.yaml: is not\na mapping")), capsys)()
    assert (result.code, result.complaint) == (2, "hvqcgic: x.yaml: is not a mapping")


def test_nobody_who_reads_is_nothing_to_speak_of(capsys: pytest.CaptureFixture[str]) -> None:
    result = program(fails(BrokenPipeError()), capsys)()
    assert (result.code, result.err) == (1, "")


def test_what_is_wrong_with_the_program_itself_is_not_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        program(fails(ZeroDivisionError()), capsys)()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_is_one_line(capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int) -> None:
    result = program(is_sent(number), capsys)()
    assert result.code == code
    assert result.complaint == "hvqcgic: interrupted; things that are done are kept, the same command goes on"


def changes_handlers(options: Namespace) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return 0


@pytest.mark.parametrize(
    ("run", "code"), [(changes_handlers, 0), (fails(ConfigError("wrong")), 2), (is_sent(signal.SIGTERM), 143)]
)
def test_signals_are_handled_as_before(capsys: pytest.CaptureFixture[str], run: Run, code: int) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    assert program(run, capsys)().code == code
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def run(options: Namespace) -> int:
        for _ in range(2):
            warnings.warn("something is odd", stacklevel=1)
        return 0

    result = program(run, capsys)()
    assert (result.code, result.err) == (0, "hvqcgic: warning: something is odd\n" * 2)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_configuration_of_the_package_is_found_by_its_name(path: Path) -> None:
    assert find_config(path.stem) == str(path)


def test_a_file_comes_before_a_configuration_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").write_text("number: 1\n")
    assert find_config("tiny") == "tiny"


@pytest.mark.parametrize("text", ["number: 1", "{}", "mine.yaml", "number: 1\nother: 2", "many: 1\n" * 99])
def test_what_is_no_name_is_left_to_the_parser(text: str) -> None:
    assert find_config(text) == text


def test_an_unknown_configuration_is_one_line_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    result = program(fails(ValueError()), capsys)("--config", "tinny")
    assert result.code == 2
    assert "configuration 'tinny' is neither a file nor one of base, " in result.complaint
    assert "; did you mean tiny?" in result.complaint
    assert result.complaint.endswith(" (see python -m tests.program --help)")
    with pytest.raises(TypeError) as error:
        find_config("nothing-like-it")
    assert "did you mean" not in str(error.value)


PROGRAMS = {
    "hvqcgic.train": ("lightning", "train"),
    "hvqcgic.export": ("lightning", "train"),
    "hvqcgic.demo": ("skimage", "train"),
    "hvqcgic.evaluate": ("jsonargparse", "evaluate"),
    "hvqcgic.sweep": ("optuna", "sweep"),
    "hvqcgic.scale": ("jsonargparse", "scale"),
}


@pytest.mark.parametrize(("name", "missing", "extra"), [(name, *pair) for name, pair in PROGRAMS.items()])
def test_a_program_without_its_extra_says_which_in_one_line(
    name: str, missing: str, extra: str, tmp_path: Path
) -> None:
    words = {"hvqcgic.export": ["x.ckpt", "-o", "x.safetensors"]}.get(name, [])
    code = f"import runpy, sys; sys.argv[1:] = {words}; sys.modules[{missing!r}] = None"
    code += f"; runpy.run_module({name!r}, run_name='__main__', alter_sys=True)"
    environment = {**os.environ, "PYTHONPATH": str(CONFIGS.parents[1])}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    package = missing.replace("skimage", "scikit-image")
    told = f"python -m {name} needs {package}, which is not installed: pip install 'hvqcgic[{extra}]'"
    assert (run.returncode, run.stderr) == (2, f"hvqcgic: {told}\n")


def test_a_module_that_no_extra_brings_is_a_bug_and_shows() -> None:
    def main() -> int:
        raise ModuleNotFoundError("No module named 'hvqcgic.nothing'", name="hvqcgic.nothing")

    with pytest.raises(ModuleNotFoundError, match=r"hvqcgic\.nothing"):
        run_with_extra("hvqcgic.train", "train", main)
    assert run_with_extra("hvqcgic.train", "train", lambda: 7) == 7
