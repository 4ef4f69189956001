"""Runs: rows are complete and true, a second run makes nothing, a failure stops nothing, in one process or several."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hvqcgic.evaluation.codecs import Details, PictureCodec, all_codecs
from hvqcgic.evaluation.codecs.base import Pixels
from hvqcgic.evaluation.metrics import MetricOptions
from hvqcgic.evaluation.operating_points import Parameter
from hvqcgic.evaluation.pictures import picture_names, prepare, read_png
from hvqcgic.evaluation.results import Row, bits_path, decoded_path, map_path, stream_path
from hvqcgic.evaluation.runner import Outcome, Plan, collect, make_plan, run_jobs, to_do
from hvqcgic.evaluation.spec import parse_specs
from tests.command_calls import save_picture

METRICS = ["psnr_db", "niqe"]


class Moody(PictureCodec):
    """Stores pixels, but fails on wide pictures."""

    name = "moody"
    suffix = ".raw"
    parameter = Parameter("mood", 1, 9)
    default_points = "1..9"
    version = "1"
    calls: int = 0

    @property
    def fingerprint(self) -> str:
        return f"moody {self.value} {type(self).version}"

    def encode(self, picture: Pixels) -> bytes:
        type(self).calls += 1
        if picture.shape[1] > 70:
            raise ZeroDivisionError("too wide\nfor me")
        self._shape = picture.shape
        return (picture // int(self.value)).tobytes()

    def decode(self, data: bytes) -> Pixels:
        return np.frombuffer(data, np.uint8).reshape(self._shape) * np.uint8(self.value)

    def details(self) -> Details:
        return Details({"all": 8.0 * int(np.prod(self._shape))})


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> type[Moody]:
    """A codec of this run only."""
    monkeypatch.setitem(all_codecs(), "moody", Moody)
    Moody.calls, Moody.version = 0, "1"
    return Moody


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return [save_picture(tmp_path / f"in/{size}.png", seed=size, size=(size, 40)) for size in (48, 64)]


def plan_of(folder: Path, pictures: list[Path], *specs: str, metrics: list[str] | None = None) -> Plan:
    sources = [prepare(folder, name, path) for name, path in picture_names(pictures).items()]
    return make_plan(folder, sources, parse_specs(specs).codecs, metrics or METRICS, MetricOptions())


def run(plan: Plan, processes: int = 1) -> tuple[Outcome, int]:
    """What is there afterwards, and how many rows were made."""
    jobs, labels = to_do(plan), []
    run_jobs(jobs, processes, done=labels.append)
    assert len(labels) == len(jobs)
    return collect(plan), len(jobs)


def test_rows_say_what_lies_in_the_folder(tmp_path: Path, pictures: list[Path], tiny_model_path: Path) -> None:
    folder = tmp_path / "run"
    outcome, made = run(plan_of(folder, pictures, f"hvqcgic:{tiny_model_path}@ratios=0.5,0.4,0.1", "jpeg@20;60"))
    assert made == len(outcome.rows) == 6
    for row in outcome.rows:
        data = stream_path(folder, row, ".jpg" if row.codec == "jpeg" else ".hvq").read_bytes()
        assert row.ok
        assert row.bytes == len(data)
        assert row.bpp == 8 * len(data) / (row.width * row.height)
        assert min(row.encode_s, row.decode_s) > 0
        decoded = read_png(decoded_path(folder, row.codec, row.point, row.picture))
        original = read_png(folder / f"pictures/original/{row.picture}.png")
        error = np.mean((decoded.astype(float) - original) ** 2)
        assert row.metrics["psnr_db"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
        for place in (map_path, bits_path):
            assert place(folder, row.codec, row.point, row.picture).is_file() == (row.codec != "jpeg")
        assert sum(row.parts.values()) == (0 if row.codec == "jpeg" else 8 * row.bytes)
    assert "two blocks of 96 x 96" in outcome.metric_notes["niqe"]


def test_a_second_run_makes_nothing_and_says_the_same(tmp_path: Path, pictures: list[Path], moody: type[Moody]) -> None:
    first, made = run(plan_of(tmp_path / "run", pictures, "moody@3;5"))
    calls = moody.calls
    assert made == 4
    assert run(plan_of(tmp_path / "run", pictures, "moody@3;5")) == (first, 0)
    assert moody.calls == calls


def test_more_points_pictures_and_metrics_make_only_what_is_new(
    tmp_path: Path, pictures: list[Path], moody: type[Moody]
) -> None:
    folder = tmp_path / "run"
    run(plan_of(folder, pictures[:1], "moody@3"))
    assert run(plan_of(folder, pictures, "moody@3;5"))[1] == 3
    calls = moody.calls
    outcome, made = run(plan_of(folder, pictures, "moody@3;5", metrics=["psnr_db", "niqe", "ms_ssim"]))
    assert made == 4
    assert moody.calls == calls
    assert "161 px" in outcome.metric_notes["ms_ssim"]
    fewer, made = run(plan_of(folder, pictures, "moody@3;5", metrics=["niqe"]))
    assert made == 0
    assert all(not row.metrics for row in fewer.rows)


def test_a_changed_picture_or_codec_is_coded_again(tmp_path: Path, pictures: list[Path], moody: type[Moody]) -> None:
    folder = tmp_path / "run"
    run(plan_of(folder, pictures, "moody@3"))
    save_picture(pictures[0], seed=9, size=(48, 40))
    assert run(plan_of(folder, pictures, "moody@3"))[1] == 1
    moody.version = "2"
    assert run(plan_of(folder, pictures, "moody@3"))[1] == 2


def test_lost_or_damaged_files_are_made_again(tmp_path: Path, pictures: list[Path], moody: type[Moody]) -> None:
    folder = tmp_path / "run"
    plan = plan_of(folder, pictures, "moody@3")
    run(plan)
    plan.jobs[0].decoded.unlink()
    plan.jobs[1].path.write_text('{"row": {}')
    assert run(plan)[1] == 2


def test_a_failure_is_a_row_and_is_tried_again(tmp_path: Path, pictures: list[Path], moody: type[Moody]) -> None:
    wide = save_picture(tmp_path / "in/wide.png", seed=1, size=(80, 40))
    plan = plan_of(tmp_path / "run", [wide, *pictures], "moody@3")
    outcome, _ = run(plan)
    assert [row.status for row in outcome.rows] == ["failed: too wide for me", "ok", "ok"]
    assert outcome.rows[0] == Row("wide", 80, 40, "moody", "mood=3", status="failed: too wide for me")
    assert outcome.missing == 0
    assert to_do(plan) == [plan.jobs[0]]


def test_a_picture_that_cannot_be_read_fails_with_every_codec(tmp_path: Path, pictures: list[Path]) -> None:
    bad = tmp_path / "in/bad.png"
    bad.write_bytes(b"text")
    plan = plan_of(tmp_path / "run", [bad, *pictures], "jpeg@20;60")
    assert len(plan.jobs) == 4
    assert [(row.picture, row.point) for row in plan.unreadable] == [("bad", "quality=20"), ("bad", "quality=60")]
    assert all("not a picture" in row.status for row in plan.unreadable)


def test_pictures_of_one_name_do_not_meet(tmp_path: Path) -> None:
    paths = [save_picture(tmp_path / f"{folder}/x.png", seed=i) for i, folder in enumerate("ab")]
    outcome, _ = run(plan_of(tmp_path / "run", paths, "jpeg@50"))
    assert [row.picture for row in outcome.rows] == ["a/x", "b/x"]
    one, other = (read_png(decoded_path(tmp_path / "run", "jpeg", "quality=50", row.picture)) for row in outcome.rows)
    assert not np.array_equal(one, other)


def test_several_processes_make_the_same(tmp_path: Path, pictures: list[Path]) -> None:
    def without_times(outcome: Outcome) -> list[Row]:
        return [replace(row, encode_s=0, decode_s=0) for row in outcome.rows]

    threads = torch.get_num_threads()
    one, _ = run(plan_of(tmp_path / "one", pictures, "jpeg@20;60"))
    two, _ = run(plan_of(tmp_path / "two", pictures, "jpeg@20;60"), processes=2)
    assert without_times(one) == without_times(two)
    assert torch.get_num_threads() == threads


def test_what_stops_a_run_leaves_what_is_done(tmp_path: Path, pictures: list[Path], moody: type[Moody]) -> None:
    plan = plan_of(tmp_path / "run", pictures, "moody@3;5")

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(to_do(plan), 1, done=stop)
    outcome = collect(plan)
    assert (len(outcome.rows), outcome.missing) == (1, 3)


def test_metrics_that_cannot_be_had_are_absent_with_a_reason(tmp_path: Path, pictures: list[Path]) -> None:
    parameters = tmp_path / "none.npz"
    sources = [prepare(tmp_path / "run", name, path) for name, path in picture_names(pictures).items()]
    options = MetricOptions(niqe_parameters=parameters)
    plan = make_plan(tmp_path / "run", sources, parse_specs(["jpeg@20"]).codecs, METRICS, options)
    outcome, _ = run(plan)
    assert "none.npz: no NIQE parameters" in outcome.metric_notes["niqe"]
    assert all(list(row.metrics) == ["psnr_db"] for row in outcome.rows)
