"""One file of a batch: what was done with it, or what went wrong."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvqcgic.errors import ConfigError, HvqcgicError, ModelError, OutputError, OutputExists


@dataclass(frozen=True)
class Done:
    """What a command did with one file.

    Attributes:
        text: for a person.
        facts: for machines: values of JSON only.
        skipped: whether there was nothing left to do.
        remarks: one line each, for a person, beside the result.
    """

    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    skipped: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one file; it can be sent from one process to another.

    Attributes:
        done: None where it failed.
        error: why it failed.
        final: whether no other file can be done either.
        remarks: warnings on the way, and those of `done`.
    """

    done: Done | None = None
    error: Exception | None = None
    final: bool = False
    remarks: tuple[str, ...] = ()


Work = Callable[[Path], Done]


def attempt(work: Work, path: Path) -> Outcome:
    """Do the work on one file; warnings are kept for whoever reports.

    Args:
        work: raises what `run_batch` says; any other error, which nobody has foreseen, goes through.
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
        return not isinstance(error, OutputExists)
    if isinstance(error, HvqcgicError):
        return isinstance(error, ModelError | ConfigError)
    return not _is_out_of_memory(error)


def _is_out_of_memory(error: Exception) -> bool:
    # PyTorch has no exception type of its own for the CPU's memory.
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text


def message_of(path: Path, error: Exception) -> str:
    """One line that names a file and what went wrong with it."""
    if not isinstance(error, HvqcgicError):
        return f"{path}: not enough memory for a picture of this size; try --tile 640, or scale it down"
    named = isinstance(error, OutputError) or str(path) in str(error)
    return str(error) if named else f"{path}: {error}"
