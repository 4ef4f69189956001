"""What the tests of this folder share: the importer of Control-GIC, called as a command."""

from collections.abc import Callable

import import_control_gic
import pytest

from tests.command_calls import Result

Import = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Import:
    """Runs the tool; what it printed and its exit code come back."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = import_control_gic.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
