"""Streams of every released format version are decoded as when they were made; `tools/make_golden.py` makes them."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.bitstream import BITSTREAM_VERSION, MEANS, MODES, unpack
from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.codec.codec import Codec, load
from hvqcgic.coder.encoded import Encoded
from hvqcgic.entropy import Masks

GOLDEN = Path(__file__).parent / "golden"
STREAMS = sorted(GOLDEN.glob("v*/*/*.hvq"))
# Another build of zlib may compress the same numbers to other bytes.
EXACT_STREAMS = [path for path in STREAMS if not path.name.endswith(".zip.hvq")]


def relative(path: Path) -> str:
    return str(path.relative_to(GOLDEN))


@cache
def codec_of(stream: Path) -> Codec:
    return load(stream.parent / "model.safetensors", device="cpu")


def picture_of(stream: Path) -> Path:
    return stream.with_name(stream.name.split(".")[0])


def stored(stream: Path) -> Encoded:
    """The integers that the stream was made of."""
    header = unpack(stream.read_bytes()).header
    with np.load(picture_of(stream).with_suffix(".npz")) as integers:
        masks = Masks(*(integers[f"mask.{g}"] for g in GRANULARITIES))
        indices = {g: integers[f"indices.{g}"].astype(np.int64) for g in GRANULARITIES}
        z = {
            name: integers[f"z.{name}"].astype(np.int64) for name in (*GRANULARITIES, MEANS) if f"z.{name}" in integers
        }
    return Encoded(header.width, header.height, masks, indices, z, means=z.get(MEANS))


def test_the_present_format_is_kept_in_every_mode() -> None:
    kept = {unpack(path.read_bytes()).header.mode for path in STREAMS if f"v{BITSTREAM_VERSION}" in path.parts}
    assert kept == set(MODES)


@pytest.mark.parametrize("stream", STREAMS, ids=relative)
def test_a_stream_holds_the_same_integers(stream: Path) -> None:
    decoded, expected = codec_of(stream).read(stream.read_bytes()), stored(stream)
    for g in GRANULARITIES:
        assert np.array_equal(decoded.masks[g], expected.masks[g])
        assert np.array_equal(decoded.indices[g], expected.indices[g])


@pytest.mark.parametrize("stream", STREAMS, ids=relative)
def test_a_stream_decodes_to_the_same_picture(stream: Path) -> None:
    decoded = np.asarray(codec_of(stream).decompress(stream.read_bytes()), np.int16)
    with Image.open(picture_of(stream).with_suffix(".png")) as image:
        expected = np.asarray(image, np.int16)
    assert decoded.shape == expected.shape
    # Picture networks are floating point: another machine may round a value to its neighbour.
    assert np.abs(decoded - expected).max() <= 1


@pytest.mark.parametrize("stream", EXACT_STREAMS, ids=relative)
def test_the_same_integers_give_the_same_bytes(stream: Path) -> None:
    data = stream.read_bytes()
    assert codec_of(stream).write(stored(stream), coding=unpack(data).header.mode).data == data
