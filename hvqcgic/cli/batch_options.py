"""Options of commands that make files from files: overwriting, skipping, number of worker processes."""

import argparse
import os
from pathlib import Path

MIN_FILES_A_WORKER = 4
"""Files that take as long as the start of one worker, for pictures of 768 x 512 px."""

WORKER_BYTES = 1_500_000_000
"""Peak memory of a worker for a picture of 24 megapixels."""


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """Add `--jobs`, `--skip-existing`, `--force` and `--json`."""
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=0,
        metavar="auto|N",
        help="worker processes that share the files; --threads then applies to each worker (default: auto, one worker "
        "per core if there are enough files and memory)",
    )
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="continue an interrupted run: skip files whose result exists, is complete and fits this command, and "
        "replace damaged results",
    )
    parser.add_argument(
        "--full-names",
        action="store_true",
        help="name results in a folder by the whole names of their inputs, NAME.jpg.hvq, with folders of their own if "
        "the inputs are in several folders",
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
    """Set the threads of each worker in the arguments; return the number of worker processes, at least 1."""
    asked = arguments.jobs or min(n_cores(), n_files // MIN_FILES_A_WORKER, _memory_bytes() // WORKER_BYTES)
    jobs = max(1, min(asked, n_files))
    if jobs > 1 and not arguments.threads:
        arguments.threads = max(1, n_cores() // jobs)
    return jobs


def n_cores() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    """Memory of the machine; a very large number if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1 << 62


def clean_folders(plan: dict[Path, Path]) -> None:
    """Remove the temporary files of killed runs from the output folders."""
    from hvqcgic.files import remove_left_overs

    for folder in {result.parent for result in plan.values()}:
        remove_left_overs(folder)
