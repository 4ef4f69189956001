import importlib
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "experiments/reference_models"


@pytest.fixture
def draw_learning(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("draw_learning")


def test_every_point_of_the_table_is_of_a_run_of_the_log(draw_learning: ModuleType) -> None:
    runs = {line.split(",")[1] for line in draw_learning.TABLE.read_text().splitlines()[1:]}
    log = (FOLDER / "LOG.md").read_text()
    assert all(f"| {run} |" in log for run in runs)


def test_the_plot_shows_every_lineage_at_its_hours(draw_learning: ModuleType, tmp_path: Path) -> None:
    points = draw_learning.read_points()
    assert all(len(own) > 1 for own in points.values())
    for own in points.values():
        hours = [point["hours"] for point in own]
        assert hours == sorted(hours)
    lpips, _ = draw_learning.draw(points).axes
    drawn = {line.get_label(): line.get_xdata() for line in lpips.get_lines()}
    for name, label in draw_learning.LINEAGES.items():
        assert list(drawn[label]) == [point["hours"] for point in points[name]]
    assert draw_learning.main(["-o", str(tmp_path / "learning")]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"learning.png", "learning.svg"}
