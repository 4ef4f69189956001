"""What all tests share: few threads, reproducible property tests, small models, commands, and reference data."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from hvqcgic.cli.console import main
from tests.command_calls import Call, caller, save_picture

if TYPE_CHECKING:
    from hvqcgic.codec.codec import Codec

IN_PARALLEL = "PYTEST_XDIST_WORKER" in os.environ
"""Whether this process has a share of the tests only: then it has one thread, and so has all that it starts."""

if IN_PARALLEL:
    os.environ["OMP_NUM_THREADS"] = "1"

SHARED = Path(__file__).parents[2] / "shared"

# Derandomised, so that what fails on one machine fails on every machine; no deadline, as machines differ in speed.
settings.register_profile("hvqcgic", deadline=None, derandomize=True)
settings.load_profile("hvqcgic")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is shared among processes begins with the files of slow tests: they then end at about the same time."""
    if IN_PARALLEL:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def few_threads() -> None:
    """Also on machines of many cores."""
    import torch

    torch.set_num_threads(1 if IN_PARALLEL else min(2, torch.get_num_threads(), os.cpu_count() or 1))


@pytest.fixture(scope="session", autouse=True)
def heeds_interruptions() -> Iterator[None]:
    """A shell starts what it puts in the background with interruptions ignored, and so would all that tests start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference pictures and values beside the checkout; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("no folder ../shared beside the checkout: the reference data that this test needs")
    return SHARED


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of random weights, some thousand of them, with 64 codes."""
    # Imported here, as it brings all of training along.
    from hvqcgic.model_files.frozen_model import write_model
    from tests.random_model import random_model

    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    write_model(random_model().freeze(), path)
    return path


@pytest.fixture(scope="session")
def codec(tiny_model_path: Path) -> "Codec":
    """The codec of `tiny_model_path`."""
    from hvqcgic.codec.codec import load

    return load(tiny_model_path, device="cpu")


@pytest.fixture(scope="session")
def prior_reading_codec(tmp_path_factory: pytest.TempPathFactory) -> "Codec":
    """Another codec of random weights, whose picture decoder reads the index prior's parameters."""
    from hvqcgic.codec.codec import load
    from hvqcgic.model_files.frozen_model import write_model
    from tests.random_model import random_model, small_config

    path = tmp_path_factory.mktemp("model") / "reads-prior.safetensors"
    write_model(random_model(small_config(decoder_prior=True), seed=7).freeze(), path)
    return load(path, device="cpu")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls a command; what it printed and its exit code come back."""
    return caller(main, capsys)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small picture file."""
    return save_picture(tmp_path / "in/x.png", seed=1)
