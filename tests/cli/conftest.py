"""What tests of commands share."""

from pathlib import Path

import pytest

from hvqcgic.codec.codec import Codec, load


@pytest.fixture(scope="session")
def codec(tiny_model_path: Path) -> Codec:
    """The codec of `tiny_model_path`, as commands load it."""
    return load(tiny_model_path, device="cpu", precision="auto")
