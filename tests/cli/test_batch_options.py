"""How many worker processes there are, and how many threads each has."""

import argparse

import pytest

from hvqcgic.cli.batch_options import MIN_FILES_A_WORKER, add_batch_options, n_cores, share_out_jobs


@pytest.mark.parametrize(
    ("jobs", "n_files", "expected"),
    [("1", 100, 1), ("3", 100, 3), ("3", 2, 2), ("3", 1, 1), ("3", 0, 1), ("auto", MIN_FILES_A_WORKER, 1)],
)
def test_jobs(jobs: str, n_files: int, expected: int) -> None:
    assert share_out_jobs(parse(jobs), n_files) == expected


@pytest.mark.parametrize("auto", ["auto", "0"])
def test_auto_fills_the_cores_where_there_are_enough_files(auto: str) -> None:
    assert share_out_jobs(parse(auto), 0) == 1
    assert 1 <= share_out_jobs(parse(auto), 10_000) <= n_cores()
    assert share_out_jobs(parse(auto), 2 * MIN_FILES_A_WORKER) <= 2


def test_workers_share_the_cores_unless_threads_are_given() -> None:
    arguments = parse("2")
    share_out_jobs(arguments, 10)
    assert arguments.threads == max(1, n_cores() // 2)
    arguments = parse("2", "--threads", "3")
    share_out_jobs(arguments, 10)
    assert arguments.threads == 3
    arguments = parse("1")
    share_out_jobs(arguments, 10)
    assert arguments.threads is None


def parse(jobs: str, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int)
    add_batch_options(parser)
    return parser.parse_args(["--jobs", jobs, *more])
