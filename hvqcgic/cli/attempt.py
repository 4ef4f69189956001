"""The outcome of one file in a batch: a result or an error."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvqcgic.errors import BadOutputName, ConfigError, HvqcgicError, ModelError, OutputError, OutputExists
from hvqcgic.files import name_of


@dataclass(frozen=True)
class Done:
    """Result of a command for one file.

    Attributes:
        text: one line for a person.
        facts: the same for programs, values of JSON only.
        skipped: whether the result existed already.
        remarks: further lines for a person.
    """

    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    skipped: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Outcome of one file. An outcome can be sent between processes.

    Attributes:
        done: the result; None if the file failed.
        error: the cause of the failure.
        final: whether the error makes every other file fail, too.
        remarks: warnings during the work, and the remarks of `done`.
    """

    done: Done | None = None
    error: Exception | None = None
    final: bool = False
    remarks: tuple[str, ...] = ()


Work = Callable[[Path], Done]


def attempt(work: Work, path: Path) -> Outcome:
    """Do the work on one file and collect its warnings.

    Args:
        work: raises the errors that `run_batch` lists; other errors pass through.
        path: the file.
    """
    with warnings.catch_warnings(record=True) as caught:
        try:
            done, error = work(path), None
        except (HvqcgicError, MemoryError, RuntimeError) as failure:
            done, error = None, failure
    remarks = tuple(f"warning: {warning.message}" for warning in caught)
    if error is not None:
        return Outcome(error=error, final=_is_final(error), remarks=remarks)
    return Outcome(done, remarks=remarks + (done.remarks if done else ()))


def _is_final(error: Exception) -> bool:
    if isinstance(error, OutputError):
        return not isinstance(error, OutputExists | BadOutputName)
    if isinstance(error, HvqcgicError):
        return isinstance(error, ModelError | ConfigError)
    return not _is_out_of_memory(error)


def _is_out_of_memory(error: Exception) -> bool:
    # PyTorch has no exception type for exhausted CPU memory.
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text


def message_of(path: Path, error: Exception) -> str:
    """Return one line with the file's name and the error."""
    name = name_of(path)
    if not isinstance(error, HvqcgicError):
        return f"{name}: not enough memory for a picture of this size; try --tile 640, or scale it down"
    named = isinstance(error, OutputError) or name in str(error)
    return str(error) if named else f"{name}: {error}"
