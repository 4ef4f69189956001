"""Folders with worker processes: the same files whatever the jobs, and what is left after kills and interruptions."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from hvqcgic.cli.console import main
from tests.command_calls import Call, Result, save_picture
from tests.processes import Program, start_module

N_PICTURES = 7
NAMES = [f"{number}.png" for number in range(N_PICTURES)]

needs_proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="finds worker processes in Linux's /proc")


ONE_THREAD = ("--threads", "1")
"""Convolutions round in another way with another number of threads."""


@pytest.fixture(scope="module", autouse=True)
def threads_are_given_back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> Path:
    return tiny_model_path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed, name in enumerate(NAMES):
        save_picture(folder / name, seed=seed)
    return folder


@pytest.fixture(scope="module")
def coded(pictures: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an undisturbed run in one process writes."""
    folder = tmp_path_factory.mktemp("coded")
    arguments = ["compress", str(pictures), "-o", str(folder), "--model", str(model), "--jobs", "1", *ONE_THREAD]
    assert main(arguments) == 0
    return folder


def results(folder: Path) -> list[Path]:
    """Hidden files are such that are being written, or that a kill left."""
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")] if folder.exists() else []


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in results(folder)}


def statuses(result: Result) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in result.out.splitlines()]
    return [(Path(line["input"]).name, line["status"]) for line in lines]


def workers_of(parent: int) -> list[int]:
    """The worker processes of a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent
            if ours and "spawn_main" in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def freeze_one_at_work(parent: int) -> int:
    """Stop a worker that has a file: PyTorch is loaded for the first one, and there are enough to come."""
    frozen: list[int] = []

    def find() -> bool:
        for process in workers_of(parent):
            try:
                if "libtorch" in Path(f"/proc/{process}/maps").read_text():
                    os.kill(process, signal.SIGSTOP)
                    frozen.append(process)
                    return True
            except (FileNotFoundError, ProcessLookupError):
                continue
        return False

    wait_until(find)
    return frozen[0]


@pytest.fixture
def running(pictures: Path, model: Path, tmp_path: Path) -> Iterator[Program]:
    """A run with two workers to `tmp_path/out`, in a session of its own as from another terminal."""
    arguments = ("compress", pictures, "-o", tmp_path / "out", "--model", model, "--jobs", 2, *ONE_THREAD)
    process = start_module("hvqcgic", *arguments, own_session=True)
    yield process
    process.kill()
    process.wait()


def n_files(folder: Path) -> int:
    return len(results(folder))


def test_two_jobs_write_the_same_in_the_same_order(
    call: Call, tmp_path: Path, pictures: Path, coded: Path, model: Path
) -> None:
    result = call("compress", pictures, "-o", tmp_path / "out", "--model", model, "--jobs", 2, "--json", *ONE_THREAD)
    assert (result.code, result.err) == (0, "")
    assert statuses(result) == [(name, "done") for name in NAMES]
    assert contents(tmp_path / "out") == contents(coded)
    call("decompress", coded, "-o", tmp_path / "one", "--model", model, "--jobs", 1, *ONE_THREAD)
    result = call("decompress", coded, "-o", tmp_path / "two", "--model", model, "--jobs", 2, *ONE_THREAD)
    assert [line.split()[0] for line in result.out.splitlines()] == [str(path) for path in results(coded)]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert n_files(tmp_path / "two") == N_PICTURES


@needs_proc
def test_after_kill_9_the_rest_is_done(
    call: Call, tmp_path: Path, pictures: Path, coded: Path, model: Path, running: Program
) -> None:
    frozen = freeze_one_at_work(running.pid)
    wait_until(lambda: n_files(tmp_path / "out") >= 2)
    workers = workers_of(running.pid)
    running.kill()
    running.wait()
    os.kill(frozen, signal.SIGCONT)
    wait_until(lambda: not any(map(is_running, workers)))
    left = contents(tmp_path / "out")
    expected = contents(coded)
    assert 2 <= len(left) < N_PICTURES
    assert left == {name: expected[name] for name in left}
    options = ["--model", model, "--jobs", 1, *ONE_THREAD, "--skip-existing", "--json"]
    result = call("compress", pictures, "-o", tmp_path / "out", *options)
    assert (result.code, result.err) == (0, "")
    done = {f"{Path(name).stem}.hvq": status for name, status in statuses(result)}
    assert {name for name, status in done.items() if status == "skipped"} == set(left)
    assert contents(tmp_path / "out") == expected


@needs_proc
def test_ctrl_c_says_how_to_go_on(tmp_path: Path, coded: Path, running: Program) -> None:
    freeze_one_at_work(running.pid)
    wait_until(lambda: n_files(tmp_path / "out") >= 2)
    workers = workers_of(running.pid)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    complaint = Result(130, out, err).complaint
    assert complaint.startswith("hvqcgic: interrupted; every file that was written is complete; ")
    assert complaint.endswith(f" of {N_PICTURES} files are done, --skip-existing goes on with the others")
    left, expected = contents(tmp_path / "out"), contents(coded)
    assert left == {name: expected[name] for name in left}
    assert len(left) - 1 <= int(complaint.split("complete; ")[1].split()[0]) <= len(left)
    assert not any(map(is_running, workers))


@needs_proc
def test_of_a_worker_that_is_killed_the_file_is_named_and_the_others_done(
    call: Call, tmp_path: Path, pictures: Path, coded: Path, model: Path
) -> None:
    def kill_one() -> None:
        frozen = freeze_one_at_work(os.getpid())
        wait_until(lambda: n_files(tmp_path / "out") == N_PICTURES - 1)
        os.kill(frozen, signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    result = call("compress", pictures, "-o", tmp_path / "out", "--model", model, "--jobs", 2, "--json", *ONE_THREAD)
    killer.join()
    assert result.code == 2
    [lost] = contents(coded).keys() - contents(tmp_path / "out").keys()
    victim = pictures / Path(lost).with_suffix(".png").name
    assert result.complaint.startswith(f"hvqcgic: {victim}: its worker process was killed")
    assert statuses(result) == [(name, "failed" if name == victim.name else "done") for name in NAMES]
    result = call(
        "compress", pictures, "-o", tmp_path / "out", "--model", model, "--skip-existing", "--jobs", 1, *ONE_THREAD
    )
    assert result.code == 0
    assert contents(tmp_path / "out") == contents(coded)


def test_options_that_are_no_number_of_jobs(call: Call, tmp_path: Path, pictures: Path) -> None:
    for jobs in ("many", "-1", "1.5", ""):
        result = call("compress", pictures, "-o", tmp_path / "out", f"--jobs={jobs}")
        assert result.code == 2
        assert f"{jobs!r} is not auto or a whole number" in result.complaint


@pytest.mark.parametrize("option", [["--jobs", "2"], ["--skip-existing"]])
def test_a_budget_needs_all_pictures_together(call: Call, tmp_path: Path, pictures: Path, option: list[str]) -> None:
    result = call("compress", pictures, "-o", tmp_path / "out", "--budget", "5kB", *option)
    assert result.code == 2
    assert result.complaint.startswith(f"hvqcgic: {option[0]} cannot be used with --budget")
    assert not (tmp_path / "out").exists()
