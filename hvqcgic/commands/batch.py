"""Doing the same to several files: a bad one is named, the others are done."""

from collections.abc import Callable
from pathlib import Path

from hvqcgic.commands.terminal import complain, progress_bar
from hvqcgic.errors import ConfigError, HvqcgicError, ModelError, OutputError, OutputExists
from hvqcgic.files import Inputs

DONE, SOME_FAILED, USAGE = 0, 1, 2
"""Exit codes. A call about one file that fails is a usage error; a failure among several is not."""


def run_batch(inputs: Inputs, work: Callable[[Path], str], *, label: str) -> int:
    """Work on each input.

    Args:
        inputs: what to work on.
        work: does one input; returns a few words for the progress bar.
        label: what is being done, for the progress bar.

    Returns:
        the exit code.

    Raises:
        ModelError: the model cannot be used, so no file can be done.
        ConfigError: a setting, the device for example, cannot be used.
        OutputError: the disk is full, for example, so that further files cannot be written either.
    """
    for problem in inputs.problems:
        complain(problem)
    failures = len(inputs.problems)
    with progress_bar(label, len(inputs.paths)) as advance:
        for done, path in enumerate(inputs.paths):
            note = ""
            try:
                note = work(path)
            except (HvqcgicError, MemoryError, RuntimeError) as error:
                if _is_final(error):
                    if done > failures - len(inputs.problems):
                        complain(f"stopped after {done} of {len(inputs.paths)} files")
                    raise
                failures += 1
                complain(_message(path, error))
            advance(note)
    if not failures:
        return DONE
    return SOME_FAILED if len(inputs.paths) + len(inputs.problems) > 1 else USAGE


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


def _message(path: Path, error: Exception) -> str:
    if not isinstance(error, HvqcgicError):
        return f"{path}: not enough memory for a picture of this size; try --tile 512, or scale it down"
    named = isinstance(error, OutputError) or str(path) in str(error)
    return str(error) if named else f"{path}: {error}"
