"""Forks: what a child process needs so that it can code with what its parent loaded.

PyTorch's pool of threads does not survive a fork: the child's first parallel computation would wait for threads that
only the parent has. So a child computes with one thread, in which results are the same. It may be given more by
`torch.set_num_threads` if the parent has computed nothing before.
"""

import os
from threading import RLock

import torch

LOADING = RLock()
"""Held while a model is loaded for all threads; no child is forked meanwhile, so that none starts with it held."""


def _after_in_child() -> None:
    torch.set_num_threads(1)
    LOADING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=_after_in_child)
