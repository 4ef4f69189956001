"""Pictures to files and back: every coding mode, any size, any ratios, every kind of model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from hvqcgic.bitstream import MODES
from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.codec.codec import Codec, load
from hvqcgic.coder.encoded import Encoded
from hvqcgic.errors import ConfigError, PictureError
from hvqcgic.model_files.frozen_model import write_model
from tests.random_model import random_model, random_picture, small_config

SIZES = ((1, 1), (17, 23), (500, 1), (64, 48))
RATIOS = ((0.5, 0.4, 0.1), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.5, 0.5), (0.3, 0.0, 0.7))

VARIANTS = {
    "no medium hyperprior, checkerboards": small_config(
        z_channels=(1, 0, 2), schedule=("coarse/0", "coarse/1", "medium", "fine/0", "fine/1")
    ),
    "no hyperprior, diagonal": small_config(z_channels=(0, 0, 0), form="diagonal"),
    "paper": small_config(schedule=("coarse", "medium", "fine"), form="diagonal", log_prior=False),
    "quadratic": small_config(form="quadratic"),
}


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Codec]:
    folder = tmp_path_factory.mktemp("variants")
    codecs = {}
    for number, (name, config) in enumerate(VARIANTS.items()):
        path = folder / f"{number}.safetensors"
        write_model(random_model(config, seed=number).freeze(), path)
        codecs[name] = load(path, device="cpu")
    return codecs


def same_integers(one: Encoded, other: Encoded) -> bool:
    return (one.width, one.height) == (other.width, other.height) and all(
        np.array_equal(one.masks[g], other.masks[g]) and np.array_equal(one.indices[g], other.indices[g])
        for g in GRANULARITIES
    )


def same_pixels(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def check_round_trips(codec: Codec, picture: NDArray[np.uint8], ratios: tuple[float, float, float]) -> None:
    """Every mode gives the same integers and the encoder's own reconstruction, at the size that was estimated."""
    encoded = codec.encode(picture, ratios=ratios)
    expected = codec.reconstruct(encoded)
    assert np.asarray(expected).shape == picture.shape
    for coding in MODES:
        written = codec.write(encoded, coding=coding)
        decoded = codec.read(written.data)
        assert same_integers(decoded, encoded)
        assert same_pixels(codec.reconstruct(decoded), expected)
        size_bits = 8 * len(written.data)
        assert sum(written.parts.values()) == pytest.approx(size_bits)
        assert written.estimated_bits == pytest.approx(size_bits, rel=1e-3, abs=8 * 40)
        assert written.estimated_bits <= size_bits


@pytest.mark.parametrize("ratios", RATIOS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_mode_gives_the_picture_back(
    codec: Codec, size: tuple[int, int], ratios: tuple[float, float, float]
) -> None:
    check_round_trips(codec, random_picture(*size, seed=1), ratios)


@settings(max_examples=12)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)).filter(any),
    st.integers(0, 2**32),
)
def test_any_size_and_any_ratios(codec: Codec, width: int, height: int, parts: tuple[int, int, int], seed: int) -> None:
    fine, medium, coarse = (part / sum(parts) for part in parts)
    check_round_trips(codec, random_picture(width, height, seed=seed), (fine, medium, coarse))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_kind_of_model(variants: dict[str, Codec], name: str) -> None:
    for size, ratios in (((130, 75), (0.5, 0.4, 0.1)), ((17, 23), (0.0, 0.5, 0.5)), ((40, 40), (1.0, 0.0, 0.0))):
        check_round_trips(variants[name], random_picture(*size, seed=2), ratios)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_decoder_that_reads_the_prior(prior_reading_codec: Codec, size: tuple[int, int]) -> None:
    check_round_trips(prior_reading_codec, random_picture(*size, seed=2), (0.4, 0.4, 0.2))


def test_a_decoder_that_reads_the_prior_is_told_it_in_every_mode(prior_reading_codec: Codec) -> None:
    codec = prior_reading_codec
    encoded = codec.encode(random_picture(130, 75, seed=3))
    own = codec.reconstruct(encoded)
    told = []
    for coding in MODES:
        written = codec.write(encoded, coding=coding)
        assert written.parts["z"] > 0
        read = codec.read(written.data)
        assert read.parameters is not None
        told.append(read.parameters)
        assert all(np.array_equal(read.parameters[g], told[0][g]) for g in GRANULARITIES)
        assert codec.reconstruct(read).tobytes() == own.tobytes()
    assert any(values.std() > 0.1 for values in told[0].values())


def test_adaptive_coding_uses_what_the_model_predicts(codec: Codec) -> None:
    """A reader that finds other probabilities must fail: so the probabilities do depend on z and the context."""
    picture = random_picture(128, 96, seed=4)
    encoded = codec.encode(picture)
    assert encoded.z is not None
    assert all(values.std() > 0.3 for values in encoded.z.values())
    blank = {g: np.zeros_like(values) for g, values in encoded.z.items()}
    other = Encoded(encoded.width, encoded.height, encoded.masks, encoded.indices, blank)
    bits, blank_bits = (codec.write(each).parts for each in (encoded, other))
    assert any(abs(bits[g] - blank_bits[g]) > 1 for g in GRANULARITIES)


def test_files_open_in_another_process(codec: Codec, tmp_path: Path, tiny_model_path: Path) -> None:
    encoded = codec.encode(random_picture(101, 67, seed=5))
    streams = [tmp_path / f"{coding}.hvq" for coding in ("adaptive", "zip")]
    for stream in streams:
        stream.write_bytes(codec.write(encoded, coding=stream.stem).data)
    arguments = ["decompress", *streams, "-o", tmp_path, "--model", tiny_model_path, "--device", "cpu"]
    arguments += ["--jobs", 1, "--precision", "float32"]
    threads = ["--threads", torch.get_num_threads()]
    subprocess.run([sys.executable, "-m", "hvqcgic", *map(str, arguments + threads)], check=True, capture_output=True)
    for stream in streams:
        with Image.open(stream.with_suffix(".png")) as image:
            assert same_pixels(image, codec.reconstruct(encoded))


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # The switch for oneDNN also sets what it does not touch.
def test_threads_and_libraries_do_not_matter(codec: Codec) -> None:
    encoded = codec.encode(random_picture(300, 200, seed=6))
    data = codec.write(encoded).data
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            for onednn in (True, False):
                torch.set_num_threads(count)
                with torch.backends.mkldnn.flags(enabled=onednn):
                    assert codec.write(encoded).data == data
                    assert same_integers(codec.read(data), encoded)
    finally:
        torch.set_num_threads(threads)


def test_pictures_come_as_arrays_images_and_paths(codec: Codec, tmp_path: Path) -> None:
    array = random_picture(50, 30, seed=7)
    image = Image.fromarray(array)
    image.save(tmp_path / "x.png")
    data = codec.compress(array)
    for same in (image, tmp_path / "x.png", str(tmp_path / "x.png")):
        assert codec.compress(same) == data
    decoded = codec.decompress(data)
    assert (decoded.size, decoded.mode) == ((50, 30), "RGB")
    assert same_pixels(decoded, codec.decompress(data))


def test_the_models_own_ratios_are_the_default(codec: Codec) -> None:
    picture = random_picture(80, 64, seed=8)
    assert codec.compress(picture) == codec.compress(picture, ratios=codec.config.default_ratios)
    assert codec.compress(picture) != codec.compress(picture, ratios=(0.1, 0.8, 0.1))


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ((0.5, 0.4, 0.2), "1.1"),
        ((-0.1, 0.6, 0.5), "-0.1"),
        ((float("nan"), 0.5, 0.5), "nan"),
        ((float("inf"), 0.0, 0.0), "inf"),
        ((0.5, 0.5), "2 numbers"),
        ((), "0 numbers"),
    ],
)
def test_impossible_ratios_are_value_errors_with_the_values(
    codec: Codec, ratios: tuple[float, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=r"ratios \(.*" + words):
        codec.compress(random_picture(8, 8, seed=0), ratios=ratios)  # pyright: ignore[reportArgumentType]


def test_an_unknown_coding_is_a_value_error(codec: Codec) -> None:
    with pytest.raises(ValueError, match="coding 'best' is unknown; use one of adaptive, static-arithmetic"):
        codec.compress(random_picture(8, 8, seed=0), coding="best")
    with pytest.raises(ConfigError, match="'Adaptive'"):
        codec.write(codec.encode(random_picture(8, 8, seed=0)), coding="Adaptive")


def test_what_is_no_picture_is_a_value_error(codec: Codec, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"0 x 8 pixels"):
        codec.compress(np.zeros((8, 0), np.uint8))
    with pytest.raises(ValueError, match=r"missing\.png"):
        codec.compress(tmp_path / "missing.png")


def test_a_picture_read_from_a_file_can_be_written_again(tiny_model_path: Path) -> None:
    codec = load(tiny_model_path, device="cpu")
    data = codec.compress(random_picture(40, 24, seed=0))
    assert codec.write(codec.read(data)).data == data
    # Its hyper-latents are not in a file of a static mode.
    static = codec.compress(random_picture(40, 24, seed=0), coding="static-huffman")
    assert codec.write(codec.read(static), coding="static-huffman").data == static
    with pytest.raises(ValueError, match="z lacks the hyper-latent of coarse cells"):
        codec.write(codec.read(static))


def test_an_unknown_device_is_one_error(tiny_model_path: Path) -> None:
    with pytest.raises(ConfigError, match="device 'gpu' is unknown; use auto, cpu"):
        load(tiny_model_path, device="gpu")
    with pytest.raises(ConfigError, match="device 'cuda:99' cannot be used"):
        load(tiny_model_path, device="cuda:99")


def test_loading_leaves_the_random_generator_alone(tiny_model_path: Path) -> None:
    before = torch.get_rng_state()
    load(tiny_model_path, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
