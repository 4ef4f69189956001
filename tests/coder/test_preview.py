"""Previews: the first passes of a file, or of the beginning of one."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hvqcgic.bitstream.container import unpack_start
from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.codec.codec import Codec
from hvqcgic.entropy.partial_reading import PartlyRead, read_passes
from hvqcgic.errors import BitstreamError, Checksum, ConfigError, HvqcgicError, ModelMismatch, Truncated

SCHEDULE = ["coarse", "medium/0", "medium/1", "fine/0", "fine/1", "fine/2", "fine/3"]


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    """82 x 67: smooth and rough parts, so that there are cells of every size."""
    rows, columns = np.mgrid[:67, :82]
    noise = np.random.default_rng(0).integers(0, 90, (67, 82, 3)) * (columns > 30)[..., None]
    return (np.stack([rows, columns, rows + columns], 2) + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def data(codec: Codec, pixels: NDArray[np.uint8]) -> bytes:
    return codec.compress(pixels)


def read(codec: Codec, data: bytes, passes: int = 7) -> PartlyRead:
    start = unpack_start(data, partial=True)
    header, codebook = start.header, codec.networks.quantiser.codebook.numpy()
    grid = header.grid_height, header.grid_width, header.n_coarse, header.n_medium
    return read_passes(codec._entropy, grid, start.section, codebook, whole=start.checked, passes=passes, fill="mean")


def as_array(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image)


def test_all_passes_are_the_picture(codec: Codec, data: bytes) -> None:
    whole = as_array(codec.decompress(data))
    assert np.array_equal(as_array(codec.decompress(data, max_passes=7)), whole)
    assert np.array_equal(as_array(codec.decompress(data, partial=True)), whole)
    seen = codec.preview(data)
    assert (list(seen.passes), seen.share_read, seen.checked) == (SCHEDULE, 1.0, True)
    # Container and checksum aside, at most the coder's last word is more than what the indices take.
    assert len(data) - 12 <= seen.bytes_read <= len(data)


@pytest.mark.parametrize("passes", range(1, 8))
def test_each_pass_brings_its_cells(codec: Codec, data: bytes, passes: int) -> None:
    seen, whole = codec.preview(data, max_passes=passes), read(codec, data)
    assert list(seen.passes) == SCHEDULE[:passes]
    assert seen.picture.size == (82, 67)
    found = read(codec, data, passes)
    cells = sum(map(len, whole.codes.values()))
    assert seen.share_read == found.cells_read / cells
    same = sum(int((found.codes[g] == whole.codes[g]).all(1).sum()) for g in GRANULARITIES)
    assert found.cells_read <= same < cells or passes == 7


def test_previews_come_nearer_from_pass_to_pass(codec: Codec, data: bytes) -> None:
    target = as_array(codec.decompress(data)).astype(float)
    errors = [float(np.square(as_array(codec.decompress(data, max_passes=n)) - target).mean()) for n in (1, 3, 5, 7)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0 < errors[0]


def test_a_file_cut_short_anywhere_gives_what_is_in_it_or_a_reason(codec: Codec, data: bytes) -> None:
    whole, before, shown = read(codec, data), -1, 0
    for length in range(0, len(data), 3):
        try:
            found = read(codec, data[:length])
        except Truncated:
            assert before < 0  # once there is a preview, more bytes never take it away
            continue
        shown += 1
        assert found.cells_read >= before
        before = found.cells_read
        # Cells are read in the order of the passes: all before the first unread one are those of the whole file.
        same = sum(int((found.codes[g] == whole.codes[g]).all(1).sum()) for g in GRANULARITIES)
        assert same >= found.cells_read
        assert list(found.passes) == SCHEDULE[: len(found.passes)]
    assert 3 * shown > len(data) / 2
    assert before >= 0.9 * sum(map(len, whole.codes.values()))


def test_bytes_read_are_enough_to_see_it(codec: Codec, data: bytes) -> None:
    for passes in (2, 4, 6):
        seen = codec.preview(data, max_passes=passes)
        # Four bytes that may be the checksum's, and a word and a half that the coder reads ahead.
        assert len(codec.preview(data[: seen.bytes_read + 10], partial=True).passes) >= passes
        assert len(codec.preview(data[: seen.bytes_read - 2], partial=True).passes) < passes


def test_fillings_differ_in_unread_cells_only(codec: Codec, data: bytes) -> None:
    fills = [as_array(codec.preview(data, max_passes=4, fill=fill).picture) for fill in ("mean", "likeliest", "none")]
    assert not np.array_equal(fills[0], fills[1])
    assert not np.array_equal(fills[0], fills[2])


def test_the_decoder_may_read_the_prior(prior_reading_codec: Codec, pixels: NDArray[np.uint8]) -> None:
    data = prior_reading_codec.compress(pixels)
    whole = prior_reading_codec.decompress(data)
    assert np.array_equal(as_array(prior_reading_codec.decompress(data, max_passes=7)), as_array(whole))
    assert prior_reading_codec.preview(data[: len(data) // 2], partial=True).picture.size == whole.size


def test_what_cannot_be_previewed(codec: Codec, data: bytes, pixels: NDArray[np.uint8]) -> None:
    static = codec.compress(pixels, coding="static-huffman")
    other = data[:4] + bytes(8) + data[12:]
    refused: list[tuple[bytes, dict[str, object], type[HvqcgicError], str]] = [
        (data, {"max_passes": 0}, ConfigError, "0 passes cannot be read: .* has 7; give 1 to 7"),
        (data, {"max_passes": 8}, ConfigError, "8 passes"),
        (static, {"max_passes": 2}, BitstreamError, "static-huffman has no passes"),
        (data[:-1], {"max_passes": 2}, Checksum, "cut short"),
        (data[:10], {"partial": True}, Truncated, "10 bytes are less than a header"),
        (data[:22], {"partial": True}, Truncated, "before the first pass"),
        (other, {"partial": True}, ModelMismatch, "fingerprint 0000000000000000"),
    ]
    for given, options, kind, words in refused:
        with pytest.raises(kind, match=words):
            codec.decompress(given, **options)  # pyright: ignore[reportArgumentType]
