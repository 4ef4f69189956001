"""Small sweeps: pictures, a configuration, and a PostgreSQL server where one is installed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hvqcgic.sweep.quiet import quiet_optuna
from tests.random_model import save_random_pictures
from tests.training.small_training import module, settings, write_checkpoint

SERVER_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@pytest.fixture(autouse=True)
def without_remarks() -> Iterator[None]:
    """As the command does it."""
    with quiet_optuna():
        yield


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of 72 x 64 px."""
    return save_random_pictures(tmp_path_factory.mktemp("pictures"), 2)


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the weights of `tiny_model_path`: of a model file, priors would have to be fitted first."""
    path = tmp_path_factory.mktemp("start") / "joint.ckpt"
    write_checkpoint(path, module("joint", settings()), "joint")
    return path


@pytest.fixture
def config(tmp_path: Path, pictures: Path, tiny_model_path: Path, start: Path) -> Path:
    """A YAML file of a sweep over a model of random weights, which trains in every third trial."""
    values: dict[str, Any] = {
        "objectives": ["bpp", "psnr_db"],
        "pictures": [str(pictures)],
        "out": str(tmp_path / "sweep"),
        "random_trials": 3,
        "train_share": 0.34,
        "heartbeat": 1,
        "evaluate": {
            "model": str(tiny_model_path),
            "place": {"low": 0.2, "high": 0.9},
            "eta": {"low": 0.0, "high": 0.3},
        },
        "train": {
            "init": [str(start)],
            "perceptual": "none",
            "accelerator": "cpu",
            "data": str(pictures),
            "val": str(pictures),
            "lambda": {"low": 0.003, "high": 0.03, "log": True},
            "training": {"steps": 2, "validate_every": 1, "validation_pictures": 1, "lpips_weight": 0.0},
            "model": {"default_ratios": {"choices": [[0.5, 0.4, 0.1], [0.1, 0.8, 0.1]]}},
            "pictures": {"crop_px": 64, "batch_size": 2},
        },
        "prune": {"dominated_by": 0},
        "best": {"middle": {"at": "bpp", "value": 0.3, "best": "psnr_db"}},
    }
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a database on a server of its own: on a free port of this machine, as an unprivileged user."""
    programs = {name: find_program(name) for name in ("initdb", "postgres")}
    if not all(programs.values()):
        pytest.skip("no PostgreSQL server is installed; Debian's package postgresql has it")
    # The server refuses to run as root, and its folder must be its user's.
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    rights: dict[str, Any] = (
        {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    )
    folder = Path(tempfile.mkdtemp(prefix="hvqcgic-postgres-"))
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    options: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **rights}
    quiet: dict[str, Any] = {**options, "stderr": subprocess.DEVNULL}
    data, port = folder / "data", free_port()
    try:
        made = [str(programs["initdb"]), "-D", str(data), "-U", "sweep", "--auth=trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, **options)
        start = [
            str(programs["postgres"]),
            "-D",
            str(data),
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
            "-k",
            str(folder),
            "-F",
        ]
        with subprocess.Popen(start, **quiet) as server:
            try:
                wait_for(port, server)
                yield f"postgresql://sweep@127.0.0.1:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)
    finally:
        shutil.rmtree(folder)


def find_program(name: str) -> str | None:
    """A program of the server, where Debian has it or in the path."""
    return shutil.which(name, path=os.pathsep.join([*map(str, SERVER_FOLDERS), os.environ["PATH"]]))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(port: int, server: subprocess.Popen[Any]) -> None:
    """Until a server takes connections."""
    import psycopg

    for _ in range(1200):
        assert server.poll() is None, "the PostgreSQL server ended at its start"
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="sweep", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise TimeoutError(f"no server on port {port}")
