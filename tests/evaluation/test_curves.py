from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.curves import curve_names, curves_of, read_curves
from hvqcgic.evaluation.published import PublishedCurve, PublishedPoint
from hvqcgic.evaluation.results import Row, Run, SetMetrics
from tests.evaluation.run_folder import PICTURES, make_run

RUN = Run(("a",), {"x": "x.png", "y": "y.png"})


def row(picture: str, codec: str, point: str, bpp: float, psnr: float, *, status: str = "ok") -> Row:
    return Row(picture, 8, 8, codec, point, round(8 * bpp), bpp, 0.1, 0.1, status, metrics={"psnr_db": psnr})


ROWS = [
    row("x", "a", "high", 2.0, 32),
    row("y", "a", "high", 4.0, 34),
    row("x", "a", "low", 1.0, 28),
    row("y", "a", "low", 1.0, 30),
]


def test_means_over_pictures_by_rising_rate() -> None:
    found = curves_of(ROWS, RUN)
    (curve,) = found.curves
    assert (curve.codec, curve.points, found.pictures, found.notes) == ("a", ("low", "high"), ("x", "y"), ())
    assert curve.bpp.tolist() == [1.0, 3.0]
    assert curve.metrics["psnr_db"].tolist() == [29.0, 33.0]
    assert curve.by_picture["psnr_db"].tolist() == [[28, 32], [30, 34]]


def test_a_failed_row_takes_its_picture_out_of_every_mean_and_is_told() -> None:
    rows = [*ROWS, row("x", "b", "only", 1.0, 20), row("y", "b", "only", 0, 0, status="failed: broken")]
    found = curves_of(rows, RUN)
    assert found.pictures == ("x",)
    assert found.curves[0].bpp.tolist() == [1.0, 2.0]
    assert found.notes == (
        "1 of 6 rows failed",
        "means are over 1 of 2 pictures: those that every codec has at every point",
    )


def test_what_an_interrupted_run_left_of_a_point_does_not_count() -> None:
    pictures = [f"p{i}" for i in range(5)]
    rows = [row(picture, "a", "done", 1.0, 30) for picture in pictures] + [row("p0", "a", "begun", 2.0, 33)]
    found = curves_of(rows, RUN)
    assert found.curves[0].points == ("done",)
    assert found.notes == ("a at begun has 1 pictures only and is left out of the curves",)


def with_ms_ssim(rows: list[Row], *pictures: str) -> list[Row]:
    return [
        replace(row, metrics=row.metrics | {"ms_ssim": row.bpp / 8}) if row.picture in pictures else row for row in rows
    ]


def test_a_metric_that_some_pictures_lack_is_over_those_that_have_it_and_so_is_its_rate() -> None:
    found = curves_of(with_ms_ssim(ROWS, "y"), RUN)
    (curve,) = found.curves
    assert (found.pictures, found.counts) == (("x", "y"), {"ms_ssim": 1})
    assert found.notes == ("ms_ssim and its bpp are over 1 of 2 pictures: those that have it at every point",)
    assert [values.tolist() for values in curve.of("ms_ssim")] == [[1.0, 4.0], [0.125, 0.5]]
    assert [values.tolist() for values in curve.of_pictures("ms_ssim")] == [[[1.0, 4.0]], [[0.125, 0.5]]]
    assert [values.tolist() for values in curve.of("psnr_db")] == [[1.0, 3.0], [29.0, 33.0]]


def test_codecs_are_compared_over_the_same_pictures() -> None:
    others = [replace(row, codec="b", bpp=row.bpp / 2) for row in ROWS]
    rows = [*with_ms_ssim(ROWS, "x", "y"), *with_ms_ssim(others, "y")]
    found = curves_of(rows, RUN)
    assert found.counts == {"ms_ssim": 1}
    assert [curve.rates("ms_ssim").tolist() for curve in found.curves] == [[1.0, 4.0], [0.5, 2.0]]
    # A codec or a point that has a metric nowhere takes no picture out.
    assert curves_of([*with_ms_ssim(ROWS, "x", "y"), *others], RUN).counts == {}
    low = curves_of([*with_ms_ssim(ROWS[:2], "x", "y"), *ROWS[2:]], RUN).curves[0]
    assert [values.tolist() for values in low.of("ms_ssim")] == [[3.0], [0.375]]
    apart = curves_of([*with_ms_ssim(ROWS, "x"), *with_ms_ssim(others, "y")], RUN)
    assert (apart.metrics, apart.counts) == (("psnr_db",), {"ms_ssim": 0})
    assert apart.notes == ("ms_ssim is left out: no picture has it at every point",)


def test_metrics_of_the_whole_set_count_only_for_the_whole_set() -> None:
    run = replace(RUN, set_metrics=(SetMetrics("a", "low", {"fid": 30.0}),))
    (curve,) = curves_of(ROWS, run).curves
    assert curve.metrics["fid"].tolist() == [30.0, pytest.approx(np.nan, nan_ok=True)]
    assert "fid" not in curve.by_picture
    broken = [replace(ROWS[0], status="failed: x"), *ROWS[1:]]
    assert "fid" not in curves_of(broken, run).curves[0].metrics


def test_published_curves_stand_beside_under_names_of_their_own() -> None:
    points = (PublishedPoint("bpp=1", 1.0, {"psnr_db": 30.0}), PublishedPoint("bpp=2", 2.0, {"dists": 0.1}))
    published = PublishedCurve("b", "a paper", "kodak", "", "table", points)
    found = curves_of(ROWS, RUN, [published, published])
    assert [curve.codec for curve in found.curves] == ["a", "b (published)", "b (published) 2"]
    assert curve_names(["a"], [published, published]) == [curve.codec for curve in found.curves]
    assert found.metrics == ("psnr_db",)
    assert found.drawn_bpp == 1.25 * 3
    assert np.isnan(found.curves[1].metrics["psnr_db"]).tolist() == [False, True]


def test_rows_that_all_failed_give_no_curve() -> None:
    found = curves_of([row("x", "a", "p", 0, 0, status="failed: x")], RUN)
    assert (found.curves, found.pictures) == ((), ())


def test_reads_a_folder(tmp_path: Path) -> None:
    make_run(tmp_path)
    found = read_curves(tmp_path)
    assert [curve.codec for curve in found.curves] == ["jpeg", "webp"]
    assert found.pictures == PICTURES
    with pytest.raises(ConfigError, match="no results of a run there"):
        read_curves(tmp_path / "elsewhere")
