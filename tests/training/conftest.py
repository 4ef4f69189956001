"""Small pictures to train on, for all tests of the training."""

from pathlib import Path

import pytest

from tests.random_model import save_random_pictures


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of 72 x 64 px."""
    return save_random_pictures(tmp_path_factory.mktemp("pictures"), 6)
