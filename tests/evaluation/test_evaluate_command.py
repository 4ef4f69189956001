"""`python -m hvqcgic.evaluate`: what it leaves and prints, exit codes, refusals in one line, and interruption."""

import json
import signal
import time
from pathlib import Path

import pytest

from hvqcgic.evaluation.cli import main
from hvqcgic.evaluation.codecs import all_codecs
from hvqcgic.evaluation.results import read_rows, read_run
from tests.command_calls import Call, caller, save_picture
from tests.processes import start_module

QUICK = ["--metrics", "psnr_db", "niqe", "--jobs", "1", "--report", "false"]


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command in this process."""
    return caller(main, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures."""
    for seed in range(2):
        save_picture(tmp_path / f"in/{seed}.png", seed=seed)
    return tmp_path / "in"


def test_a_run_and_the_same_again(tmp_path: Path, folder: Path, evaluate: Call) -> None:
    out = tmp_path / "out"
    command = [folder, "--codecs", "jpeg@20;70", "webp@50", "--out", out, *QUICK]
    first = evaluate(*command)
    assert first.code == 0
    for word in ("means of 2 pictures", "jpeg", "quality=70", "webp", "bpp", "psnr db"):
        assert word in first.out
    assert first.complaint == (
        "hvqcgic: niqe: absent of some pictures, such as 0: needs at least two blocks of 96 x 96 px"
    )
    rows, run = read_rows(out), read_run(out)
    assert len(rows) == 6
    assert run.specs == ("jpeg@20;70", "webp@50")
    assert run.pictures == {"0": str(folder / "0.png"), "1": str(folder / "1.png")}
    assert {"hvqcgic", "torch", "torchmetrics", "pillow webp"} <= set(run.versions)
    assert evaluate(*command).out == first.out
    assert read_rows(out) == rows


def test_json_is_for_machines(tmp_path: Path, folder: Path, evaluate: Call) -> None:
    found = evaluate(folder, "--codecs", "jpeg@20", "--out", tmp_path / "out", *QUICK, "--json")
    value = json.loads(found.out)
    point = value["points"][0]
    assert (point["codec"], point["point"], point["pictures"], value["rows_missing"]) == ("jpeg", "quality=20", 2, 0)
    rows = read_rows(tmp_path / "out")
    assert point["bpp"] == pytest.approx(sum(row.bpp for row in rows) / 2)
    assert point["metrics"]["psnr_db"] == pytest.approx(sum(row.metrics["psnr_db"] for row in rows) / 2)
    assert "niqe" in value["metric_notes"]


def test_options_may_stand_in_a_file(tmp_path: Path, folder: Path, evaluate: Call) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(f"codecs: [jpeg@20]\nout: {tmp_path / 'out'}\nmetrics: [psnr_db]\njobs: 1\nreport: false\n")
    assert evaluate(folder, "--config", config).code == 0
    assert len(read_rows(tmp_path / "out")) == 2


def test_a_picture_that_fails_is_a_row_and_exit_code_1(tmp_path: Path, folder: Path, evaluate: Call) -> None:
    (folder / "bad.png").write_bytes(b"text")
    found = evaluate(folder, "--codecs", "jpeg@20", "--out", tmp_path / "out", *QUICK)
    assert found.code == 1
    assert "bad, jpeg, quality=20: failed: " in found.err
    assert "1 of 3 rows failed" in found.err
    assert [row.ok for row in read_rows(tmp_path / "out")].count(True) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--codecs", "jpg"], ["unknown codec 'jpg' (did you mean jpeg?)", *all_codecs()]),
        (["--codecs", "jpeg@500"], ["quality '500' is not allowed", "1 to 95"]),
        (["--codecs", "hvqcgic:tinny"], ["unknown model 'tinny'", "did you mean tiny"]),
        (["--codecs", "jpeg", "--metrics", "psnr"], ["unknown metric 'psnr'", "psnr_db", "inception_score"]),
        (["--codecs", "jpeg", "--niqe_parameters", "no.npz"], ["no.npz: there is no such file"]),
        (["--codecs", "published:no.json"], ["no.json: there is no such file"]),
        (["--codecs", "jpeg", "--colour", "x"], ["colour", "--help"]),
        ([], ["codecs", "--help"]),
    ],
)
def test_refusals_are_one_line_and_make_no_rows(
    tmp_path: Path, folder: Path, evaluate: Call, arguments: list[str], words: list[str]
) -> None:
    found = evaluate(folder, "--out", tmp_path / "out", *arguments)
    assert found.code == 2
    for word in words:
        assert word in found.complaint
    assert not (tmp_path / "out/rows/jpeg").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--anchor", "jpg"], ["--anchor 'jpg'", "use one of jpeg, hvqcgic:tiny, vtm (published)"]),
        (["--anchor", "hvqcgic"], ["--anchor 'hvqcgic'", "hvqcgic:tiny"]),
        (["--embed", "0", "2"], ["--embed '2': there is no such picture", "use all, or 0, 1"]),
        (["--embed", "all", "1"], ["--embed 'all'"]),
        (["--codecs", "jpeg", "published:damaged.json"], ["damaged.json: is not JSON"]),
    ],
)
def test_what_only_the_report_needs_is_refused_before_anything_is_made(
    tmp_path: Path,
    folder: Path,
    evaluate: Call,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("vtm.json").write_text('{"name": "vtm", "points": [{"bpp": 0.5, "psnr": 30}]}')
    Path("damaged.json").write_text("{")
    codecs = ["--codecs", "jpeg@20", "hvqcgic:tiny@path=0", "published:vtm.json"]
    found = evaluate(folder, *codecs, "--out", "out", *arguments)
    assert found.code == 2
    for word in words:
        assert word in found.complaint
    assert not Path("out").exists()


def test_nothing_to_evaluate_is_a_refusal(tmp_path: Path, evaluate: Call) -> None:
    (tmp_path / "empty").mkdir()
    found = evaluate(tmp_path / "empty", "--codecs", "jpeg", "--out", tmp_path / "out", *QUICK)
    assert found.code == 2
    assert "no pictures in this folder" in found.err


def test_an_output_that_is_a_file_is_a_refusal(tmp_path: Path, folder: Path, evaluate: Call) -> None:
    (tmp_path / "out").write_text("a file")
    found = evaluate(folder, "--codecs", "jpeg@20", "--out", tmp_path / "out", *QUICK)
    assert found.code == 2
    assert str(tmp_path / "out") in found.complaint


def test_the_whole_report_is_written(tmp_path: Path, folder: Path, evaluate: Call) -> None:
    out = tmp_path / "out"
    found = evaluate(
        *(folder, "--codecs", "jpeg@10..80:4", "webp@10..80:4", "--out", out, "--anchor", "webp", "--embed", "1"),
        *("--metrics", "psnr_db", "--jobs", "1"),
    )
    assert found.code == 0
    assert "BD-rate against webp" in found.out
    assert (out / "report.html").read_text().count("data:image/png;base64,") == 1 + 8
    assert found.out.splitlines()[-1] == str(out / "report.html")
    for name in ("report.html", "points.csv", "points.json", "run.json", "bd_rates.json", "plots", "tensorboard"):
        assert (out / name).exists(), name


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_keeps_and_reports_what_is_done(
    tmp_path: Path, folder: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    options = ("--metrics", "psnr_db", "--jobs", "2", "--report", "false")
    process = start_module("hvqcgic.evaluate", folder, "--codecs", "jpeg@1..95", "--out", out, *options)
    until = time.monotonic() + 300
    while not list(out.glob("rows/jpeg/*/*.json")):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    printed, complaints = process.communicate(timeout=60)
    assert process.returncode == code, complaints
    rows = read_rows(out)
    assert 1 <= len(rows) < 190
    assert "means of" in printed
    assert f"interrupted; what is done is kept and reported, the same command goes on ({190 - len(rows)}" in complaints
    assert "Traceback" not in complaints
