"""What tests of qualities share: the bundled model and a photograph, as qualities of random weights mean nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from hvqcgic.codec.codec import Codec, load


@pytest.fixture(scope="session")
def tiny() -> Codec:
    """The bundled model."""
    return load("tiny", device="cpu")


@pytest.fixture(scope="session")
def cat() -> NDArray[np.uint8]:
    """A part of a photograph, (112, 144, 3)."""
    return np.ascontiguousarray(data.cat()[70:182, 150:294])
