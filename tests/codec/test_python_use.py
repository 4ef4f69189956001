"""The codec in other programs: what it takes, and forks, threads, pools and pickles."""

import io
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hvqcgic.codec.codec import Codec, load
from hvqcgic.errors import BitstreamError, ConfigError, HvqcgicError, KindError
from tests.random_model import random_model, random_picture


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return random_picture(90, 61, seed=4)


def test_compress_takes_what_holds_a_picture(codec: Codec, pixels: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(pixels).save(path)
    expected = codec.compress(pixels)
    tensor = torch.from_numpy(pixels)
    sources: list[Any] = [str(path), path, path.read_bytes(), io.BytesIO(path.read_bytes()), Image.open(path)]
    sources += [pixels / 255, (pixels / 255).astype(np.float32), tensor.permute(2, 0, 1), tensor, tensor / 255]
    for source in sources:
        assert codec.compress(source) == expected
    grey = codec.compress(pixels[..., 0])
    assert grey == codec.compress(np.repeat(pixels[..., :1], 3, axis=2)) == codec.compress(tensor[..., 0])


def test_decompress_takes_what_holds_a_file(codec: Codec, pixels: np.ndarray, tmp_path: Path) -> None:
    data = codec.compress(pixels)
    path = tmp_path / "x.hvq"
    path.write_bytes(data)
    expected = np.asarray(codec.decompress(data))
    with path.open("rb") as file:
        for source in (str(path), path, bytearray(data), memoryview(data), io.BytesIO(data), file):
            assert np.array_equal(np.asarray(codec.decompress(source)), expected)
    with pytest.raises(BitstreamError, match=r"missing\.hvq: cannot be read: there is no such file"):
        codec.decompress(tmp_path / "missing.hvq")


@pytest.mark.parametrize("source", [None, 5, [1], object()])
def test_all_else_is_a_type_error_in_one_line(codec: Codec, source: Any) -> None:
    with pytest.raises(TypeError, match="is no picture that can be compressed: expected a path, bytes"):
        codec.compress(source)
    with pytest.raises(KindError, match=r"is no \.hvq file: expected its bytes, its path, or a binary file object"):
        codec.decompress(source)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("bbp", "unknown option 'bbp': did you mean bpp?"),
        ("maxbytes", "unknown option 'maxbytes': did you mean max_bytes?"),
        ("codng", "unknown option 'codng': did you mean coding?"),
        ("xyzzy", "unknown option 'xyzzy': known are "),
    ],
)
def test_unknown_options_are_refused(codec: Codec, pixels: np.ndarray, option: str, message: str) -> None:
    options: dict[str, Any] = {option: 0.1}
    for make in (codec.compress, codec.encode):
        with pytest.raises(ConfigError, match=message.replace("?", r"\?")) as error:
            make(pixels, **options)
        assert isinstance(error.value, TypeError)


FORKED = """
import multiprocessing, os, sys
import numpy as np
import torch, hvqcgic

how, model = sys.argv[1:]
torch.set_num_threads(4)
codec = hvqcgic.load(model, device="cpu")
pixels = np.random.default_rng(1).integers(0, 256, (320, 320, 3), dtype=np.uint8)

def work(number):
    data = codec.compress(pixels)
    return data, np.asarray(codec.decompress(data)).tobytes()

if how != "loaded":
    expected = work(0)
if how in ("loaded", "fork"):
    reader, writer = os.pipe()
    if not os.fork():
        data, picture = work(0)
        with os.fdopen(writer, "wb") as file:
            file.write(data)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        found = file.read()
    os.wait()
    assert found == work(0)[0]
else:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(work, range(3)) == [expected] * 3
print("the same bytes")
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
@pytest.mark.parametrize("how", ["loaded", "fork", "pool"])
def test_a_forked_child_codes_with_what_its_parent_loaded(tiny_model_path: Path, how: str) -> None:
    # Without OMP_NUM_THREADS, so that the parent has threads, which the child lacks.
    import os

    settings = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", FORKED, how, str(tiny_model_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=settings, timeout=300)
    assert (run.stdout, run.returncode) == ("the same bytes\n", 0), run.stderr


def test_one_codec_serves_many_threads(codec: Codec) -> None:
    pictures = [random_picture(40 + 9 * i, 50, seed=i) for i in range(8)]
    expected = [codec.compress(picture) for picture in pictures]
    decoded = [np.asarray(codec.decompress(data)) for data in expected]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(codec.compress, pictures * 3)) == expected * 3
        for found, picture in zip(pool.map(codec.decompress, expected * 3), decoded * 3, strict=True):
            assert np.array_equal(np.asarray(found), picture)


def test_a_pickled_codec_needs_no_file(codec: Codec, pixels: np.ndarray, tmp_path: Path) -> None:
    frozen = random_model(seed=5).freeze()
    from hvqcgic.model_files.frozen_model import write_model

    write_model(frozen, tmp_path / "x.safetensors")
    for original in (Codec(frozen, torch.device("cpu")), load(tmp_path / "x.safetensors", device="cpu")):
        pickled = pickle.dumps(original)
        (tmp_path / "x.safetensors").rename(tmp_path / "moved")
        copy = pickle.loads(pickled)
        (tmp_path / "moved").rename(tmp_path / "x.safetensors")
        assert copy.compress(pixels) == original.compress(pixels)
        assert (copy.name, copy.fingerprint) == (original.name, original.fingerprint)


def test_a_process_pool_takes_methods_of_a_codec(codec: Codec, pixels: np.ndarray) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(codec.compress, pixels).result() == codec.compress(pixels)


def test_errors_can_be_sent_between_processes(codec: Codec) -> None:
    with pytest.raises(HvqcgicError) as error:
        codec.decompress(b"HVQ\x01")
    again = pickle.loads(pickle.dumps(error.value))
    assert (type(again), str(again)) == (type(error.value), str(error.value))
