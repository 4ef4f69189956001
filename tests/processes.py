"""Programs in processes of their own, without the seconds that a fresh Python takes to import PyTorch and Lightning.

They are forked from one process that has imported these and done nothing else: each has its own memory, signals, files
and exit code, and is killed as any other.
"""

import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
IMPORTED = [
    "hvqcgic.codec.codec",
    "hvqcgic.training.cli",
    "hvqcgic.training.stages",
    "hvqcgic.evaluation.cli",
    "hvqcgic.evaluation.runner",
    "hvqcgic.sweep.trial",
    "torchmetrics.functional.image",
]
"""Modules that bring along what takes long."""


@dataclass(frozen=True)
class _Settings:
    """Files that it prints to, changes of the environment, whether it leads a process group."""

    outputs: list[Path]
    environment: dict[str, str]
    own_session: bool


class Program:
    """A process that calls a function, with what tests use of `subprocess.Popen`; its output is kept in files."""

    def __init__(
        self,
        function: Callable[..., object],
        *arguments: Any,
        environment: Mapping[str, str] | None = None,
        own_session: bool = False,
    ) -> None:
        """Starts at once.

        Args:
            function: what it calls; can be imported.
            arguments: of that.
            environment: what is to be changed of it. One thread is the rule here.
            own_session: has it lead a process group, as from another terminal.
        """
        folder = Path(tempfile.mkdtemp(prefix="hvqcgic-program-"))
        weakref.finalize(self, shutil.rmtree, folder)
        self._outputs = [folder / name for name in ("out", "err")]
        settings = _Settings(self._outputs, {"OMP_NUM_THREADS": "1", **(environment or {})}, own_session)
        self._process: Any = _context().Process(target=_call, args=(settings, function, arguments))
        # The one that all are forked from starts with the first of them; it has to find the package.
        with patch.dict(os.environ, {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}):
            self._process.start()
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """As of `subprocess.Popen`: None while it runs, negative after a signal."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = 300) -> int:
        """Its exit code."""
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
        return self.returncode

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        """Waits; what it printed."""
        self.wait(timeout)
        return self.printed()

    def printed(self) -> tuple[str, str]:
        """What it has printed so far."""
        out, err = (path.read_text(encoding="utf-8") if path.exists() else "" for path in self._outputs)
        return out, err


def start_module(module: str, *words: object, **options: Any) -> Program:
    """`python -m MODULE WORD ...`; options are those of `Program`."""
    return Program(_run_module, module, list(map(str, words)), **options)


def run_module(module: str, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The same, to its end."""
    program = start_module(module, *words, **options)
    out, err = program.communicate()
    return subprocess.CompletedProcess([module, *map(str, words)], program.wait(), out, err)


@cache
def _context() -> Any:
    # Elsewhere libraries do not take a fork well.
    context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    context.set_forkserver_preload(IMPORTED)
    return context


def _run_module(module: str, words: list[str]) -> None:
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _call(settings: _Settings, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    """What the process does before that, and that."""
    import torch

    for number, path in enumerate(settings.outputs, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    if settings.own_session:
        os.setsid()
    os.chdir(ROOT)
    os.environ.update(settings.environment)
    torch.set_num_threads(1)
    function(*arguments)
