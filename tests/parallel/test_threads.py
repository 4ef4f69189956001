"""Threads that stay: every part is worked on, errors are raised, PyTorch's limit comes back."""

from __future__ import annotations

import os
import threading

import pytest
import torch

from hvqcgic.parallel import MOST_THREADS, each_in_threads, one_thread, threads_for, workers


def test_every_part_is_worked_on_with_one_thread_of_pytorch() -> None:
    before, found = torch.get_num_threads(), list[tuple[int, int]]()
    each_in_threads(lambda part: found.append((part, torch.get_num_threads())), range(7))
    assert sorted(found) == [(part, 1) for part in range(7)]
    assert torch.get_num_threads() == before


def test_one_part_stays_in_the_calling_thread() -> None:
    found = list[int]()
    each_in_threads(lambda part: found.append(threading.get_ident()), [0])
    assert found == [threading.get_ident()]


def test_an_error_is_raised_after_all_parts_have_ended() -> None:
    ended = list[int]()

    def work(part: int) -> None:
        if part == 0:
            raise ValueError("part 0")
        ended.append(part)

    with pytest.raises(ValueError, match="part 0"):
        each_in_threads(work, range(5))
    assert sorted(ended) == [1, 2, 3, 4]


def test_no_more_threads_than_pieces_or_than_pytorch_may_use() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert [threads_for(pieces) for pieces in (0, 1, 2, 100)] == [1, 1, 2, 3]
        torch.set_num_threads(64)
        assert threads_for(100) == MOST_THREADS
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    with one_thread():
        assert workers().submit(lambda: 1).result() == 1
    child = os.fork()
    if child == 0:
        try:
            with one_thread():
                os._exit(0 if workers().submit(lambda: 2).result(timeout=20) == 2 else 1)
        finally:
            os._exit(3)
    assert os.waitpid(child, 0)[1] == 0
