"""Pictures of more than 8 bits a sample: the loss is one line, and what is read is right."""

import base64
import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from hvqcgic.errors import PictureError
from hvqcgic.pictures.reading import read_grey, read_original, read_picture
from tests.command_calls import Call

RAMP = np.tile(np.arange(16, dtype=np.uint16) * 273, (16, 1))
"""Grey of 12 bits, (16, 16), from 0 to 4095."""
GREYS = np.arange(16) * 17
"""Its columns in 8 bits."""
# Made with imagecodecs 2026.3.6, because Pillow writes no colours of more than 8 bits: red grows to the right, green
# downwards, blue is half of the range.
AVIF_10 = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAA"
    "AAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAMQAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEA"
    "AGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAEAAAABAAAAAQcGl4aQAAAAADCgoKAAAADGF2MUOBIEAA"
    "AAAAE2NvbHJuY2x4AAIAAgAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAAOW1kYXQSAAoIOAz/28CAgaQyIxlCYwTAADQoAAB1"
    "f6J3VPdRspHF//93dEgPutZAgaIT/k7R"
)
JPEG_2000_16 = base64.b64decode(
    "/0//UQAvAAAAAAAQAAAAEAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAADDwEBDwEBDwEB/1IADgECAAEBAQQEAACIiP9cAAtCiCSX"
    "05fTl2L/ZAAlAAFDcmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAABYAAH/k8+IwBEd8KD3DvLyQWSb9oHj"
    "F8PkLOSsOFEuJ8eSE/8H2b3zei+1lVVeUlJO8wp6z4ioMVokyYq3FE11kUeydoo3OaiCmjo4gICA/9k="
)


def tiff_12_bits() -> bytes:
    """RAMP in a TIFF file that packs two samples into three bytes."""
    text = "".join(f"{value:012b}" for value in RAMP.ravel())
    packed = bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
    tags = {256: 16, 257: 16, 258: 12, 259: 1, 262: 1, 273: 122, 277: 1, 278: 16, 279: len(packed)}
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + packed


def tiff(values: NDArray[Any], **options: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile", reason="writes TIFF files that Pillow only reads")
    data = io.BytesIO()
    tifffile.imwrite(data, values, metadata=None, **options)
    return data.getvalue()


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def lost_of(data: bytes) -> str:
    return read_original(data, keep=True).lost


@pytest.mark.parametrize(
    ("feature", "data", "bits"), [("avif", AVIF_10, 10), ("jpg_2000", JPEG_2000_16, 16)], ids=["AVIF", "JPEG 2000"]
)
def test_colours_of_more_than_8_bits_are_one_line(feature: str, data: bytes, bits: int) -> None:
    if not features.check(feature):
        pytest.skip(f"this Pillow has no {feature}")
    found = read_original(data)
    assert found.lost == f"{bits} bits a sample become 8"
    red, green, blue = (found.pixels[..., i].astype(float) for i in range(3))
    assert red[:, -1].mean() - red[:, 0].mean() > 150
    assert green[-1].mean() - green[0].mean() > 150
    assert 100 < blue.mean() < 160


def test_tiff_files_of_more_than_8_bits() -> None:
    colours = np.dstack([RAMP * 16] * 3)
    for values, options, bits in (
        (colours, {"photometric": "rgb"}, 16),
        (colours, {"photometric": "rgb", "compression": "zlib"}, 16),
        (np.moveaxis(colours, 2, 0), {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"}, 16),
        (RAMP.astype(np.uint32) * 16, {}, 32),
        ((RAMP / 4095).astype(np.float32), {}, 32),
    ):
        data = tiff(values, **options)
        assert lost_of(data) == f"{bits} bits a sample become 8"
        assert np.abs(read_picture(data).astype(int) - GREYS[:, None]).max() <= 1


def test_12_bits_are_scaled_to_the_whole_range(tmp_path: Any) -> None:
    assert lost_of(tiff_12_bits()) == "12 bits a sample become 8"
    assert np.array_equal(read_picture(tiff_12_bits())[..., 0], np.tile(GREYS, (16, 1)))
    (tmp_path / "mask.tif").write_bytes(tiff_12_bits())
    assert np.array_equal(read_grey(tmp_path / "mask.tif"), np.tile(GREYS, (16, 1)))


def test_what_pillow_reads_as_8_bits_is_refused() -> None:
    data = tiff(np.stack([RAMP * 16] * 3), photometric="rgb", planarconfig="separate")
    with pytest.raises(
        PictureError, match=r"^picture: 16 bits a sample with each colour apart are not read right; save"
    ):
        read_picture(data)


def test_pillows_own_files_of_16_bits() -> None:
    deep = Image.fromarray(RAMP * 16)
    for kind, options in (("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("PPM", {})):
        assert lost_of(saved(deep, kind, **options)) == "16 bits a sample become 8", kind
    if features.check("jpg_2000"):
        assert lost_of(saved(deep, "JPEG2000")) == "16 bits a sample become 8"
    assert lost_of(b"P5 2 2 1023 " + bytes(8)) == "10 bits a sample become 8"
    assert lost_of(b"Pf 2 2 -1.0 " + bytes(16)) == "32 bits a sample become 8"


def test_8_bits_lose_nothing() -> None:
    colours = Image.fromarray(np.dstack([RAMP // 16] * 3).astype(np.uint8))
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "TGA", "WEBP", "JPEG2000", "AVIF"):
        if kind not in ("WEBP", "JPEG2000", "AVIF") or features.check({"JPEG2000": "jpg_2000"}.get(kind, kind.lower())):
            assert lost_of(saved(colours, kind)) == "", kind
    assert lost_of(saved(colours.convert("1"), "TIFF")) == ""
    assert lost_of(tiff(np.moveaxis(np.asarray(colours), 2, 0), photometric="rgb", planarconfig="separate")) == ""


def test_the_command_says_it(call: Call, tmp_path: Any, tiny_model_path: Any) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no avif")
    (tmp_path / "x.avif").write_bytes(AVIF_10)
    result = call("compress", tmp_path / "x.avif", "-o", tmp_path / "x.hvq", "--model", tiny_model_path)
    assert result.code == 0
    assert result.complaint == f"hvqcgic: {tmp_path / 'x.avif'}: 10 bits a sample become 8"
