"""Means over pictures, as table and for machines."""

import pytest
from rich.console import Console

from hvqcgic.evaluation.results import Row, Run, SetMetrics
from hvqcgic.evaluation.summary import Share, as_json, means, summary_table

ROWS = [
    Row("a", 4, 4, "jpeg", "quality=5", 2, 1.0, 0.1, 0.3, metrics={"psnr_db": 30.0}),
    Row("a", 4, 4, "jpeg", "quality=9", 4, 2.0, metrics={"psnr_db": 35.0}),
    Row("b", 4, 4, "jpeg", "quality=5", 6, 3.0, 0.3, 0.5, metrics={"psnr_db": 40.0, "niqe": 3.0}),
    Row("b", 4, 4, "jpeg", "quality=9", status="failed: it broke"),
]


def test_means_are_over_the_pictures_that_have_a_value() -> None:
    low, high = means(ROWS, [SetMetrics("jpeg", "quality=5", {"fid": 7.5})])
    assert (low.pictures, low.failed, low.bpp, low.encode_s, low.decode_s) == (2, 0, 2.0, 0.2, pytest.approx(0.4))
    assert low.metrics == {"psnr_db": 35.0, "niqe": 3.0, "fid": 7.5}
    # A third picture would change the bpp of the row, not that of the metric.
    assert low.partial == {"niqe": Share(1, 3.0)}
    assert (high.pictures, high.failed, high.bpp, high.metrics) == (1, 1, 2.0, {"psnr_db": 35.0})


def test_the_table_says_how_many_pictures_where_that_differs() -> None:
    def text(rows: list[Row]) -> str:
        console = Console(width=150)
        with console.capture() as capture:
            console.print(summary_table(means(rows)))
        return capture.get()

    assert "means of 2 pictures" in text(ROWS)
    assert " pictures ┃" in text(ROWS)
    assert " pictures ┃" not in text(ROWS[:3:2])
    assert "35.00" in text(ROWS)
    assert "1 at 3.0000 bpp" in text(ROWS)


def test_machines_get_the_same_numbers() -> None:
    value = as_json(means(ROWS), Run(("jpeg",), {"a": "a.png", "b": "b.png"}, metric_notes={"fid": "none"}), 3)
    assert [point["bpp"] for point in value["points"]] == [2.0, 2.0]
    assert (value["pictures"], value["rows_missing"], value["metric_notes"]) == (2, 3, {"fid": "none"})
