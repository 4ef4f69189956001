"""Worker processes, with work that takes no time: order, deaths, and who is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hvqcgic.cli.attempt import Done, Outcome, Work
from hvqcgic.cli.batch import Report, run_batch
from hvqcgic.cli.workers import Crew
from hvqcgic.errors import ModelError, WorkerDied
from hvqcgic.files.inputs import Inputs
from tests.cli.worker_tasks import Unloadable, work


class Gathered(Report):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(as_json=False)
        self.names: list[str] = []
        self.failures: list[str] = []
        self.processes: set[int] = set()

    def done(self, path: Path, done: Done) -> str:
        assert path.name == done.text
        self.names.append(done.text)
        self.processes.add(done.facts["process"])
        return ""

    def failed(self, path: Path, message: str) -> None:
        self.failures.append(path.name)


def run(names: list[str], *, jobs: int = 2, work: Work = work) -> tuple[int, Gathered]:
    report = Gathered()
    inputs = Inputs(tuple(map(Path, names)), (), many=True)
    return run_batch(inputs, work, label="work", report=report, jobs=jobs), report


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_order_is_that_of_the_inputs() -> None:
    names = ["first-0", *(f"x-{number}" for number in range(9))]
    code, report = run(names)
    assert (code, report.names) == (0, names)
    assert len(report.processes) == 2
    assert os.getpid() not in report.processes
    assert not any(map(is_alive, report.processes))


def test_one_job_stays_in_this_process() -> None:
    assert run(["x-0", "x-1"], jobs=1)[1].processes == {os.getpid()}


def test_more_jobs_than_files_start_no_more_than_files() -> None:
    _, report = run(["first-0", "first-1"], jobs=9)
    assert len(report.processes) == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("killed-1", "killed-1: its worker process was killed, as systems do when memory runs out; try fewer --jobs"),
        ("exits-1", "exits-1: its worker process ended with exit code 3"),
    ],
)
def test_of_a_worker_that_dies_the_file_is_named_and_the_others_done(
    capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    names = ["x-0", name, *(f"x-{number}" for number in range(2, 9))]
    code, report = run(names)
    assert code == 2
    assert report.names == [other for other in names if other != name]
    assert report.failures == [name]
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"hvqcgic: {words}")


def test_every_worker_may_die(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run(["killed-0", "killed-1", "x-2", "killed-3", "x-4"])
    assert (code, report.names, report.failures) == (2, ["x-2", "x-4"], ["killed-0", "killed-1", "killed-3"])
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_bad_file_is_named_and_the_others_done(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run(["x-0", "bad-1", "x-2"])
    assert (code, report.names, report.failures) == (1, ["x-0", "x-2"], ["bad-1"])
    assert capsys.readouterr().err == "hvqcgic: bad-1: cannot be read\n"


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_no_file_can_do_without_ends_the_batch(capsys: pytest.CaptureFixture[str], jobs: int) -> None:
    with pytest.raises(ModelError, match="the model is damaged"):
        run(["first-0", "final-1", "final-2", "final-3"], jobs=jobs)
    assert capsys.readouterr().err == "hvqcgic: stopped after 1 of 4 files\n"


def test_nothing_is_begun_after_the_end_is_clear() -> None:
    found: list[Outcome] = []
    crew = Crew(work, [Path("first-0"), Path("final-1"), *map(Path, "abcdef")], size=2, count=found.append)
    assert [outcome.final for outcome in crew.outcomes()] == [False, True]
    assert len(found) == 2


def test_an_error_that_nobody_has_foreseen_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)at bug-1:.*in work\n.*KeyError: .nobody has foreseen this"):
        run(["x-0", "bug-1"])


def test_warnings_are_told_with_their_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["odd-0", "x-1", "odd-2"])[0] == 0
    assert capsys.readouterr().err == 2 * "hvqcgic: warning: something was left out\n"


def test_workers_that_cannot_be_started_are_one_error() -> None:
    with pytest.raises(WorkerDied, match=r"cannot be started: one ended with exit code 5; --jobs 1 does without"):
        run(["x-0", "x-1", "x-2"], work=Unloadable())


TWO_ENDLESS = """
import sys
from pathlib import Path
from hvqcgic.cli.workers import Crew
from tests.cli.worker_tasks import work

if __name__ == "__main__":
    list(Crew(work, [Path(name) for name in sys.argv[1:]], size=2, count=print).outcomes())
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    paths = [tmp_path / f"endless-{number}" for number in range(2)]
    parent = subprocess.Popen([sys.executable, "-c", TWO_ENDLESS, *map(str, paths)], cwd=Path(__file__).parents[2])
    try:
        wait_until(lambda: all(path.exists() and path.read_text() for path in paths))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    processes = [int(path.read_text()) for path in paths]
    wait_until(lambda: not any(map(is_running, processes)))


def is_running(process: int) -> bool:
    """Alive, and not just waiting for somebody to ask for its exit code."""
    stat = Path(f"/proc/{process}/stat")
    if not Path("/proc/self/stat").exists():
        return is_alive(process)
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
