"""The front, the named points, and what is written of them."""

import csv
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hvqcgic.sweep.objectives import parse_objectives
from hvqcgic.sweep.options import BestPoint
from hvqcgic.sweep.outcome import BOTH, Found, Importance, Outcome, choose, pareto_front
from hvqcgic.sweep.plot import draw_front
from hvqcgic.sweep.report import as_json, front_table, importance_table, write_tables
from tests.sweep.trials import OBJECTIVES

VALUES = [(0.1, 22.0), (0.2, 25.0), (0.21, 24.0), (0.2, 24.9), (0.4, 27.0), (0.2, 25.0)]


def found(number: int, values: tuple[float, ...], kind: str = "evaluate") -> Found:
    numbers: dict[str, float] = {"bpp": values[0], "psnr_db": values[1]}
    return Found(number, kind, values, {"place": 0.5}, "hvqcgic:tiny@path=0.5", "tiny", "trials/0", 1.0, numbers)


TRIALS = tuple(found(number, values) for number, values in enumerate(VALUES))


def test_the_front_is_optunas() -> None:
    study = optuna.create_study(directions=[objective.direction for objective in OBJECTIVES])
    for values in VALUES:
        study.add_trial(optuna.create_trial(state=TrialState.COMPLETE, values=values))
    theirs = {trial.number for trial in study.best_trials}
    front = pareto_front(TRIALS, OBJECTIVES)
    assert {trial.number for trial in front} == theirs == {0, 1, 4, 5}
    assert [trial.values[0] for trial in front] == sorted(trial.values[0] for trial in front)


@pytest.mark.parametrize(
    ("point", "number"),
    [
        (BestPoint("bpp", 0.2, "psnr_db"), 1),
        (BestPoint("bpp", 0.3, "psnr_db"), 2),
        (BestPoint("bpp", 0.3, "psnr_db", within=0.5), 4),
        (BestPoint("psnr_db", 25.0, "bpp", within=0.2), 0),
    ],
)
def test_a_named_point_is_the_best_near_its_value_or_the_nearest(point: BestPoint, number: int) -> None:
    assert choose(point, TRIALS, OBJECTIVES).number == number


def outcome(names: tuple[str, ...] = ("bpp", "psnr_db")) -> Outcome:
    objectives = parse_objectives(names)
    trials = tuple(
        found(t.number, (*t.values, 0.5)[: len(names)], "train" if t.number == 4 else "evaluate") for t in TRIALS
    )
    shares = (Importance("evaluate", 5, BOTH, {"place": 0.9, "eta": float("nan")}),)
    front = pareto_front(trials, objectives)
    return Outcome(objectives, trials, front, 1, {7: "no such code"}, 2, shares, {"middle": trials[1]})


@pytest.mark.parametrize("names", [("bpp", "psnr_db"), ("bpp", "psnr_db", "encode_s")])
def test_the_figure_shows_every_trial_of_every_pair(names: tuple[str, ...]) -> None:
    figure = draw_front(outcome(names))
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == len(names) - 1
    for axes in shown:
        assert sum(len(points.get_offsets()) for points in axes.collections) == len(TRIALS)  # pyright: ignore[reportArgumentType]
        assert [text.get_text() for text in axes.texts] == ["middle"]


def test_tables_and_json_tell_the_same() -> None:
    shown = outcome()
    table = front_table(shown)
    assert table.row_count == len(shown.front)
    assert importance_table(shown).row_count == 2
    value = as_json(shown)
    assert [entry["number"] for entry in value["front"]] == [entry.number for entry in shown.front]
    assert value["trials"] == {"measured": 6, "pruned": 1, "failed": {7: "no such code"}, "retried": 2}
    assert value["importances"][0]["shares"] == {"place": 0.9}
    assert value["best"]["middle"]["number"] == 1


def test_csv_files_have_a_line_for_each_trial(tmp_path: Path) -> None:
    write_tables(tmp_path, outcome())
    rows, front = (
        list(csv.DictReader((tmp_path / name).read_text(encoding="utf-8").splitlines()))
        for name in ("trials.csv", "front.csv")
    )
    assert [row["front"] for row in rows] == ["1", "1", "0", "0", "1", "1"]
    assert [float(row["bpp"]) for row in rows] == [values[0] for values in VALUES]
    assert [row["trial"] for row in front] == ["0", "1", "5", "4"]
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
