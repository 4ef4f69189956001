"""Features refined for one picture: what the decoder makes of them is nearer to it, and nothing else changes."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hvqcgic.bitstream.schedule import CELL_PX, GRANULARITIES
from hvqcgic.codec.codec import Codec, load
from hvqcgic.coder import Analysed, Encoded
from hvqcgic.entropy import Masks
from hvqcgic.errors import Unreachable
from hvqcgic.perceptual import distortion, load_lpips
from hvqcgic.perceptual.lpips import weights_path
from hvqcgic.rate_control import refinement
from hvqcgic.rate_control.operating_point import OperatingPoint
from hvqcgic.rate_control.quality import LpipsAlex, mean_squared_error
from hvqcgic.rate_control.refinement import refine
from tests.random_model import random_picture

Pixels = NDArray[np.uint8]

RATIOS = (0.5, 0.3, 0.2)
needs_lpips = pytest.mark.skipif(
    not all(weights_path(name).is_file() for name in refinement.NETWORKS),
    reason="LPIPS weights that this test needs are not in torch's cache (set TORCH_HOME)",
)


def refined(codec: Codec, picture: Analysed, masks: Masks, steps: int = 4, seed: int = 0) -> Analysed:
    return refine(codec, picture, masks, steps=steps, generator=torch.Generator().manual_seed(seed))


def error(codec: Codec, picture: Analysed, encoded: Encoded) -> float:
    return mean_squared_error(picture.pixels, np.asarray(codec.reconstruct(encoded)))


def without_lpips(codec: Codec, pixels: Pixels, steps: int = 20) -> tuple[float, float]:
    """Squared errors before and after, of a picture too small for LPIPS."""
    picture = codec.analyse(pixels)
    masks = codec.order_cells(picture, RATIOS)
    after = refined(codec, picture, masks, steps)
    return error(codec, picture, codec.quantise(picture, masks)), error(codec, after, codec.quantise(after, masks))


def test_small_pictures_come_nearer_by_squared_error_or_stay(tiny: Codec, cat: Pixels) -> None:
    places = [(20, 30), (0, 0), (60, 100), (80, 20), (40, 60), (70, 60)]
    found = [without_lpips(tiny, cat[top : top + 32, left : left + 30]) for top, left in places]
    assert all(after <= 1.01 * before for before, after in found)
    assert sum(after for _, after in found) < 0.95 * sum(before for before, _ in found)


def test_a_decoder_that_reads_the_prior_is_followed_too(prior_reading_codec: Codec) -> None:
    before, after = without_lpips(prior_reading_codec, random_picture(34, 30, seed=2))
    assert after < before


def test_only_features_of_the_maps_cells_move(codec: Codec) -> None:
    picture = codec.analyse(random_picture(34, 30, seed=2))
    masks = codec.order_cells(picture, RATIOS)
    after = refined(codec, picture, masks)
    for g in GRANULARITIES:
        moved = (after.features[g] != picture.features[g]).any(1)[0].numpy()
        assert np.array_equal(moved, masks[g])
    assert after.pixels is picture.pixels
    assert after.density is picture.density


def test_no_steps_change_nothing(codec: Codec) -> None:
    picture = codec.analyse(random_picture(34, 30, seed=2))
    after = refined(codec, picture, codec.order_cells(picture, RATIOS), steps=0)
    assert all(torch.equal(after.features[g], picture.features[g]) for g in GRANULARITIES)


def test_every_window_is_refined_and_what_lies_around_it_stays(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "WINDOW_PX", 96)
    monkeypatch.setattr(refinement, "HALO_PX", 16)
    cores: list[tuple[int, int]] = []
    window = refinement._refine_window

    def watched(networks, planes, tile, steps, generator) -> Iterator[int]:
        before = {g: y.clone() for g, y in planes.features.items()}
        yield from window(networks, planes, tile, steps, generator)
        for g in GRANULARITIES:
            moved = (before[g] != planes.features[g]).any(1)[0]
            inside = torch.zeros_like(moved)
            rows, columns = (slice(s.first // CELL_PX[g], s.last // CELL_PX[g]) for s in (tile.rows, tile.columns))
            inside[rows, columns] = True
            assert torch.equal(moved, inside & planes.masks[g][0, 0])
        cores.append((tile.rows.first, tile.columns.first))

    monkeypatch.setattr(refinement, "_refine_window", watched)
    monkeypatch.setattr(refinement, "_originals", lambda pixels, generator: None)
    picture = codec.analyse(random_picture(200, 90, seed=4))
    told: list[tuple[int, int]] = []
    masks, generator = codec.order_cells(picture, RATIOS), torch.Generator().manual_seed(0)
    after = refine(codec, picture, masks, steps=2, generator=generator, progress=lambda *steps: told.append(steps))
    assert told == [(done, 6) for done in range(1, 7)]
    assert len(cores) == len(set(cores)) == 3
    moved = {g: (after.features[g] != picture.features[g]).any(1)[0].numpy() for g in GRANULARITIES}
    assert all(np.array_equal(moved[g], masks[g]) for g in GRANULARITIES)


def test_larger_gradients_move_features_further_and_no_others_move() -> None:
    y, moves = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4)
    moves[..., 0] = 0
    gradient = torch.full_like(y, 1e-7)
    gradient[..., 2:] = -16e-7
    refinement._Descent(y, moves).step(gradient, 0.5)
    assert torch.all(y[..., 0] == 0)
    assert torch.all(y[..., 1] < 0)
    # A gradient divided by the root of its size moves a feature by the root of the ratio of sizes.
    assert torch.allclose(y[..., 2:], -4 * y[..., 1:2].expand(1, 2, 4, 2))
    even = torch.zeros_like(y)
    refinement._Descent(even, torch.ones_like(moves)).step(torch.full_like(y, 1e-7), 0.5)
    assert torch.allclose(even, torch.full_like(y, -0.5), rtol=1e-3)


def test_a_network_sees_shifts_with_no_row_and_no_column_in_common() -> None:
    shifts = refinement._shifts(torch.Generator().manual_seed(3))
    assert shifts == refinement._shifts(torch.Generator().manual_seed(3))
    assert len(shifts) == refinement.SHIFTS
    for numbers in zip(*shifts, strict=True):
        assert len(set(numbers)) == len(numbers)
        assert set(numbers) <= set(range(refinement.LARGEST_SHIFT_PX + 1))


@needs_lpips
def test_lpips_is_that_of_both_pictures_shifted(cat: Pixels) -> None:
    original, decoded = (torch.from_numpy(cat[:64, at : at + 64]).permute(2, 0, 1)[None] / 255 for at in (0, 20))
    originals = refinement._originals(original, torch.Generator().manual_seed(0))
    assert originals is not None
    generator = torch.Generator().manual_seed(0)
    shifts = {name: refinement._shifts(generator) for name in refinement.NETWORKS}
    # In the second round the features of the original come from the first.
    for step in range(2 * refinement.SHIFTS):
        for name in refinement.NETWORKS:
            row, column = shifts[name][step % refinement.SHIFTS]
            expected = load_lpips(name)(decoded[..., row:, column:], original[..., row:, column:])
            assert originals.distance(name, decoded, step).item() == pytest.approx(expected.item(), rel=1e-4)


@needs_lpips
def test_the_gradient_is_that_of_the_whole_distortion(cat: Pixels) -> None:
    original, decoded = (torch.from_numpy(cat[:64, at : at + 64]).permute(2, 0, 1)[None] / 255 for at in (0, 20))
    originals = refinement._originals(original, torch.Generator().manual_seed(0))
    assert originals is not None
    found = refinement._gradient(original, decoded.clone(), originals, 1)
    decoded.requires_grad_()
    lpips = sum(weight * originals.distance(name, decoded, 1) for name, weight in refinement.NETWORKS.items())
    whole = distortion(original, decoded, refinement.WEIGHTS, None).total + lpips
    assert torch.allclose(found, torch.autograd.grad(whole, decoded)[0], rtol=1e-4, atol=1e-9)


@needs_lpips
def test_lpips_falls_at_the_same_size_and_the_file_decodes_as_any(tiny: Codec, cat: Pixels) -> None:
    quality = LpipsAlex(cat)
    values, errors, sizes = [], [], []
    for steps in (0, 4):
        found = tiny.compress_at(cat, OperatingPoint(bpp=0.3, refine=steps))
        decoded = np.asarray(tiny.decompress(found.written.data))
        assert np.array_equal(decoded, np.asarray(tiny.reconstruct(found.reached.encoded)))
        values.append(quality.measure(decoded))
        errors.append(mean_squared_error(cat, decoded))
        sizes.append(len(found.written.data))
    assert all(abs(size - 0.3 * cat.shape[0] * cat.shape[1] / 8) <= 16 for size in sizes)
    assert values[1] < 0.85 * values[0]
    assert errors[1] < errors[0]


@needs_lpips
def test_gradients_in_bfloat16_help_as_much_as_those_in_float32(cat: Pixels) -> None:
    quality, single = LpipsAlex(cat), load("tiny", "cpu", precision="float32")

    def measured(data: bytes) -> float:
        return quality.measure(np.asarray(single.decompress(data)))

    plain = measured(single.compress(cat, ratios=RATIOS))
    codecs = [load("tiny", "cpu", precision=precision) for precision in ("float32", "bfloat16")]
    refined_twice = [measured(codec.compress(cat, ratios=RATIOS, refine=4)) for codec in codecs]
    assert refined_twice[0] != refined_twice[1]
    assert max(refined_twice) < 0.85 * plain


@needs_lpips
def test_the_same_picture_gives_the_same_file(tiny: Codec, cat: Pixels) -> None:
    files = [tiny.compress(cat, ratios=RATIOS, refine=2) for _ in range(2)]
    assert files[0] == files[1]
    assert files[0] != tiny.compress(cat, ratios=RATIOS)


@needs_lpips
def test_the_smallest_file_of_a_quality_is_smaller(tiny: Codec, cat: Pixels) -> None:
    plain, smaller = (tiny.compress_at(cat, OperatingPoint(target="lpips=0.15", refine=steps)) for steps in (0, 4))
    assert len(smaller.written.data) < 0.9 * len(plain.written.data)
    assert LpipsAlex(cat).measure(np.asarray(tiny.decompress(smaller.written.data))) <= 0.15


@needs_lpips
def test_a_quality_that_only_refined_features_have_is_reached(tiny: Codec, cat: Pixels) -> None:
    best = LpipsAlex(cat).measure(np.asarray(tiny.decompress(tiny.compress(cat, ratios=(1.0, 0.0, 0.0)))))
    target = f"lpips={0.9 * best:.4f}"
    with pytest.raises(Unreachable, match="cannot be reached"):
        tiny.compress(cat, target=target)
    assert not tiny.compress_at(cat, OperatingPoint(target=target, refine=4)).reached.clamped
    with pytest.raises(Unreachable, match="cannot be reached"):
        tiny.compress(cat, target=f"lpips={0.1 * best:.4f}", refine=1)


@needs_lpips
@pytest.mark.parametrize("size", [(34, 60), (35, 60)])
def test_lpips_is_left_out_of_what_is_too_small_for_it(codec: Codec, size: tuple[int, int]) -> None:
    assert (refinement._originals(torch.zeros(1, 3, *size), torch.Generator()) is None) == (size[0] < 35)
    assert codec.decompress(codec.compress(random_picture(*size, seed=1), ratios=RATIOS, refine=1)).size == size
