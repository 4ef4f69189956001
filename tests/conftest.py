"""What all tests share: few threads, reproducible property tests, and the folder of reference data."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

SHARED = Path(__file__).parents[2] / "shared"

# Derandomised, so that what fails on one machine fails on every machine; no deadline, as machines differ in speed.
settings.register_profile("hvqcgic", deadline=None, derandomize=True)
settings.load_profile("hvqcgic")

torch.set_num_threads(min(2, torch.get_num_threads(), os.cpu_count() or 1))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference pictures and values beside the checkout; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("no folder ../shared beside the checkout: the reference data that this test needs")
    return SHARED
