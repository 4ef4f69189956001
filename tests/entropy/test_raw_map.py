import numpy as np
import pytest

from hvqcgic.entropy.masks import Masks
from hvqcgic.entropy.raw_map import decode_raw_map, encode_raw_map
from hvqcgic.errors import BitstreamError


def example() -> Masks:
    coarse = np.zeros((2, 3), np.bool_)
    coarse[1, 2] = True
    medium = np.zeros((4, 6), np.bool_)
    medium[0, :4] = True
    return Masks.from_coarser(coarse, medium)


def test_golden_bytes_and_round_trip() -> None:
    masks = example()
    data = encode_raw_map(masks)
    assert data.hex() == "07c00000"
    found = decode_raw_map(data, 2, 3, 1, 4)
    np.testing.assert_array_equal(found.fine, masks.fine)
    np.testing.assert_array_equal(found.medium, masks.medium)


@pytest.mark.parametrize(
    ("data", "counts", "message"),
    [
        ("07c000", (1, 4), "raw map of 3 bytes, a grid of 2 x 3 takes 4"),
        ("07c0000000", (1, 4), "raw map of 5 bytes"),
        ("07c00000", (1, 5), "other counts"),
        ("07c00000", (0, 4), "other counts"),
        ("07c00004", (1, 5), "medium cells inside coarse ones"),
    ],
)
def test_damaged_maps_are_refused(data: str, counts: tuple[int, int], message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        decode_raw_map(bytes.fromhex(data), 2, 3, *counts)
