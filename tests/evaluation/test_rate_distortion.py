import json
from pathlib import Path

import bjontegaard
import numpy as np
import pytest

from hvqcgic.evaluation.published import read_published
from hvqcgic.evaluation.rate_distortion import (
    CurveError,
    PictureCurves,
    bootstrap_rate,
    compare_rate,
    lower_is_better,
)

RATE = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
PSNR = np.array([24.0, 27.0, 30.0, 33.0, 36.0])
LPIPS = np.array([0.5, 0.35, 0.22, 0.12, 0.05])


def test_a_curve_of_half_the_rate_is_at_minus_50_per_cent() -> None:
    assert compare_rate(RATE, PSNR, RATE / 2, PSNR).value == pytest.approx(-50)
    assert compare_rate(RATE / 2, PSNR, RATE, PSNR).value == pytest.approx(100)


def test_lower_is_better_gives_the_same_sign() -> None:
    assert compare_rate(RATE, LPIPS, RATE / 2, LPIPS).value == pytest.approx(-50)


def test_the_order_of_points_does_not_matter() -> None:
    order = [3, 0, 4, 1, 2]
    expected = compare_rate(RATE, LPIPS, 0.7 * RATE, LPIPS + 0.01).value
    assert compare_rate(RATE[order], LPIPS[order], 0.7 * RATE, LPIPS + 0.01).value == expected


@pytest.mark.parametrize("method", ["akima", "pchip", "cubic"])
@pytest.mark.parametrize("quality", [PSNR, LPIPS], ids=["psnr", "lpips"])
def test_equals_the_package(method: str, quality: np.ndarray) -> None:
    rate, other = 0.8 * RATE**1.1, quality * 1.02
    order = np.argsort(quality)
    sorted_curves = [values[order] for values in (RATE, quality, rate, other)]
    expected = bjontegaard.bd_rate(*sorted_curves, method=method, min_overlap=0)
    assert compare_rate(RATE, quality, rate, other, method).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("anchor", "test"),
    [
        ("bpg_444_x265_ycbcr", "compressai-mbt2018-mean_mse_cuda"),
        ("vtm", "compressai-cheng2020-anchor_mse_cuda"),
    ],
)
def test_compressai_on_kodak_equals_the_package(shared: Path, anchor: str, test: str) -> None:
    folder = shared / "results/compressai-kodak"
    curves = []
    for name in (anchor, test):
        results = json.loads((folder / f"{name}.json").read_text())["results"]
        curves += [results["bpp"], results["psnr-rgb"]]
    expected = bjontegaard.bd_rate(*curves, method="akima", require_matching_points=False, min_overlap=0)
    first, second = (read_published(folder / f"{name}.json").of("psnr_db") for name in (anchor, test))
    assert compare_rate(*first, *second).value == expected


def test_agrees_with_linear_interpolation_of_published_curves(shared: Path) -> None:
    """Where curves have many points, or are smooth, the interpolation matters little."""
    rows = json.loads((shared / "results/derived_bd.json").read_text())["rows"]
    differences = []
    for row in rows:
        metric = row["metric"] + (f"_{row['lpips_net']}" if row["lpips_net"] else "")
        curves = [read_published(shared / "results" / row[key]).of(metric) for key in ("anchor", "test")]
        found = compare_rate(*curves[0], *curves[1])
        assert [found.low, found.high] == pytest.approx(row["metric_interval"], abs=1e-4)
        differences.append(abs(np.log((100 + found.value) / (100 + row["bd_rate_pct"]))))
    assert len(differences) > 30
    assert np.median(differences) < 0.01
    assert max(differences) < 0.12


def test_the_overlap_is_told() -> None:
    found = compare_rate(RATE, PSNR, RATE, PSNR + 6)
    assert (found.low, found.high) == (30.0, 36.0)
    assert found.share == pytest.approx(6 / 18)
    assert found.notes == ("the curves share 33 % of their range",)


def test_points_that_another_beats_are_left_out_and_told() -> None:
    rate, psnr = np.append(RATE, 0.5), np.append(PSNR, 29.0)
    found = compare_rate(RATE, PSNR, rate, psnr)
    assert found.value == pytest.approx(0)
    assert found.notes == ("test curve is not monotone: 1 of 6 points that another beats are left out",)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ((RATE, PSNR + 40), "no common qualities: anchor 24 to 36, test 64 to 76"),
        ((RATE[:2], PSNR[:2]), "the test curve has 2 usable points, akima needs 3"),
        ((RATE[:1], PSNR[:1]), "the test curve has 1 points"),
        ((RATE, PSNR[::-1]), "rises with rate in one curve and falls in the other"),
        ((RATE, np.full(5, 30.0)), "neither rises nor falls"),
        ((RATE, [24, 27, 30, 33, np.inf]), r"the test curve has the point \(1.6, inf\)"),
        ((RATE - 0.1, PSNR), r"the test curve has the point \(0, 24\)"),
        ((RATE, PSNR[:4]), r"rates of shape \(5,\) and qualities of \(4,\)"),
    ],
)
def test_refusals(test: tuple[np.ndarray, np.ndarray], message: str) -> None:
    with pytest.raises(CurveError, match=message):
        compare_rate(RATE, PSNR, *test)


def test_refuses_unknown_methods() -> None:
    with pytest.raises(CurveError, match="interpolation 'linear' is unknown; use one of akima, pchip, cubic"):
        compare_rate(RATE, PSNR, RATE, PSNR, "linear")


def picture_curves(shift: float, generator: np.random.Generator) -> PictureCurves:
    rate = np.multiply(RATE, np.exp(shift + generator.normal(0, 0.3, (24, 1))), dtype=np.float64)
    return PictureCurves(rate, PSNR + generator.normal(0, 0.2, (24, 1)))


def test_bootstrap_interval_holds_the_value_and_depends_on_the_generator_alone() -> None:
    anchor, test = picture_curves(0, np.random.default_rng(1)), picture_curves(-0.2, np.random.default_rng(2))
    first = bootstrap_rate(anchor, test, generator=np.random.default_rng(3), draws=60)
    assert first == bootstrap_rate(anchor, test, generator=np.random.default_rng(3), draws=60)
    means = [values.mean(0) for curves in (anchor, test) for values in (curves.rate, curves.quality)]
    assert first.value == compare_rate(means[0], means[1], means[2], means[3]).value
    assert first.interval is not None
    assert first.interval[0] < first.value < first.interval[1]


def test_bootstrap_of_equal_pictures_has_no_width() -> None:
    anchor = PictureCurves(np.tile(RATE, (4, 1)), np.tile(PSNR, (4, 1)))
    test = PictureCurves(anchor.rate / 2, anchor.quality)
    assert bootstrap_rate(anchor, test, generator=np.random.default_rng(0), draws=10).interval == pytest.approx(
        (-50, -50)
    )


def test_bootstrap_of_one_picture_has_no_interval_and_other_pictures_are_refused() -> None:
    one = PictureCurves(RATE[None], PSNR[None])
    assert bootstrap_rate(one, one, generator=np.random.default_rng(0), draws=5).interval is None
    with pytest.raises(CurveError, match="same pictures of both codecs, got 1 and 24"):
        bootstrap_rate(one, picture_curves(0, np.random.default_rng(0)), generator=np.random.default_rng(0))


def test_which_metrics_are_better_when_lower() -> None:
    names = ("lpips_vgg", "dists", "fid", "niqe", "psnr_db", "ms_ssim", "inception_score")
    assert [lower_is_better(name) for name in names] == [True] * 4 + [False] * 3
