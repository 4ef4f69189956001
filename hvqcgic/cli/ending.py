"""End of a program: errors and signals become one line and an exit code."""

import io
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from hvqcgic.cli.exit_codes import INTERRUPTED, SOME_FAILED, TERMINATED, USAGE
from hvqcgic.cli.terminal import check_stdout, check_working_folder, complain, plain_warnings
from hvqcgic.errors import HvqcgicError, MissingPackage


class Terminated(KeyboardInterrupt):
    """A request to terminate the process. It is no Exception, so that no handler takes it for an error of one file."""


def run_to_end(work: Callable[[], int], told: Callable[[KeyboardInterrupt], str]) -> int:
    """Run a program and print one line if an error or a signal ends it.

    Args:
        work: returns the exit code.
        told: returns the message for an interruption or a `Terminated`.
    Returns:
        the exit code of `work`; or 1 if the reader of stdout is gone, 2 for bad input or usage, a closed
        stdout or too little memory, 130 for an interrupt,
        143 for a termination.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with plain_warnings():
            check_stdout()
            check_working_folder()
            # A file name may contain characters that the terminal's encoding does not have.
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(errors="backslashreplace")
            return work()
    except HvqcgicError as error:
        complain(error)
        return USAGE
    except MemoryError:
        complain("not enough memory")
        return USAGE
    except BrokenPipeError:
        # The reader of stdout has closed it, as in `hvqcgic models | head -1`.
        return SOME_FAILED
    except KeyboardInterrupt as error:
        complain(told(error))
        return interruption_code(error)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_with_extra(program: str, extra: str, main: Callable[[], int]) -> int:
    """Run a program; if a package of its extra is not installed, print one line that names the extra.

    Args:
        program: name of the program, as typed after `python -m`.
        extra: the extra that installs all packages of the program.
        main: imports the packages, runs the program and returns the exit code.
    Returns:
        the exit code of `main`, or 2 if a package is missing.
    Raises:
        ModuleNotFoundError: no extra installs the missing package.
    """
    try:
        return main()
    except MissingPackage as error:
        complain(error)
    except ModuleNotFoundError as error:
        from hvqcgic.extras import explain

        missing = explain(error, f"python -m {program}", extra)
        if missing is None:
            raise
        complain(missing)
    return USAGE


def interruption_code(error: KeyboardInterrupt) -> int:
    """Return the exit code of an interrupted or terminated program."""
    return TERMINATED if isinstance(error, Terminated) else INTERRUPTED


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
