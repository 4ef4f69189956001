"""The options of commands that turn files into files: what is written over, what is left out, how many at once."""

import argparse
import os
from pathlib import Path

MIN_FILES_A_WORKER = 4
"""A worker takes about as long to start as four pictures of 768 x 512 px take."""

WORKER_BYTES = 1_500_000_000
"""What a worker may take for a picture of 24 megapixels."""


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """Add `--jobs`, `--skip-existing`, `--force` and `--json`."""
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=0,
        metavar="auto|N",
        help="worker processes that share the files; --threads then counts for each of them (default: auto, as many as "
        "there are cores, where there are enough files and memory)",
    )
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="go on with a run that was broken off: leave out files whose result is there, whole and as asked for, and "
        "replace results that are damaged",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each file")


def _jobs(text: str) -> int:
    if text == "auto":
        return 0
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not auto or a whole number, such as 2")


def share_out_jobs(arguments: argparse.Namespace, n_files: int) -> int:
    """How many worker processes to use, at least 1; the threads of each are set in the arguments."""
    asked = arguments.jobs or min(n_cores(), n_files // MIN_FILES_A_WORKER, _memory_bytes() // WORKER_BYTES)
    jobs = max(1, min(asked, n_files))
    if jobs > 1 and not arguments.threads:
        arguments.threads = max(1, n_cores() // jobs)
    return jobs


def n_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    """Of the machine; as much as anyone could want where that is not told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1 << 62


def clean_folders(plan: dict[Path, Path]) -> None:
    """Remove what killed runs left in the folders that results go to."""
    from hvqcgic.files import remove_left_overs

    for folder in {result.parent for result in plan.values()}:
        remove_left_overs(folder)
