"""What ends a program early is one line and an exit code, and signals are handled afterwards as they were before."""

import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonargparse import Namespace

from hvqcgic.cli.program import new_parser, run_program
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
