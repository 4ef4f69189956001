"""Streams made on a GPU and on the CPU are interchangeable; needs a GPU."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hvqcgic.codec.codec import load
from tests.random_model import random_picture
from tests.random_reverse import model_with_reverse

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that PyTorch can use")


@pytest.mark.parametrize("tile", ["auto", 256])
def test_each_reads_what_the_other_wrote(tiny_model_path: Path, tile: int) -> None:
    picture = random_picture(300, 220, seed=5)
    codecs = {device: load(tiny_model_path, device=device, tile=tile) for device in ("cpu", "cuda")}
    for writer in codecs.values():
        data = writer.compress(picture)
        own, other = (np.asarray(codec.decompress(data)).astype(int) for codec in codecs.values())
        assert np.abs(own - other).max() <= 1
        read = [codec.read(data) for codec in codecs.values()]
        for g in ("coarse", "medium", "fine"):
            assert np.array_equal(read[0].indices[g], read[1].indices[g])


def test_previews_are_the_same_to_a_level(tiny_model_path: Path) -> None:
    picture = random_picture(160, 96, seed=6)
    on_cpu, on_gpu = (load(tiny_model_path, device=device) for device in ("cpu", "cuda"))
    data = on_gpu.compress(picture)
    shown = [np.asarray(codec.decompress(data, max_passes=4)).astype(int) for codec in (on_cpu, on_gpu)]
    assert np.abs(shown[0] - shown[1]).max() <= 1


@pytest.mark.parametrize("tile", ["auto", 272])
def test_the_reverse_path_ends_at_the_same_picture(tiny_model_path: Path, tmp_path: Path, tile: int) -> None:
    path = model_with_reverse(tiny_model_path, tmp_path)
    on_cpu, on_gpu = (load(path, device=device, tile=tile) for device in ("cpu", "cuda"))
    data = on_cpu.compress(random_picture(333, 290, seed=7))
    shown = [np.asarray(codec.decompress(data, steps=2, seed=3)).astype(int) for codec in (on_cpu, on_gpu)]
    assert np.abs(shown[0] - shown[1]).max() <= 1
