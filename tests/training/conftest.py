"""Small pictures to train on, for all tests of the training."""

from pathlib import Path

import pytest
from PIL import Image

from tests.random_model import random_picture


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of 72 x 64 px."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(6):
        Image.fromarray(random_picture(72, 64, seed=seed)).save(folder / f"{seed}.png")
    return folder
