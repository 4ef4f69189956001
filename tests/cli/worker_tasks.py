"""Work for worker processes, chosen by the file's name: some of it goes wrong in ways that pictures do not."""

import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

from hvqcgic.cli.attempt import Done
from hvqcgic.errors import ModelError, PictureError, PictureWarning


def work(path: Path) -> Done:
    """Does what the first word of the name says."""
    kind = path.name.split("-")[0]
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "exits":
        os._exit(3)
    if kind == "bad":
        raise PictureError("cannot be read")
    if kind == "final":
        raise ModelError("the model is damaged")
    if kind == "bug":
        raise KeyError("nobody has foreseen this")
    if kind == "odd":
        warnings.warn("something was left out", PictureWarning, stacklevel=1)
    if kind == "first":
        time.sleep(0.3)
    if kind == "endless":
        path.write_text(str(os.getpid()))
        time.sleep(600)
    return Done(path.name, {"process": os.getpid()})


class Unloadable:
    """Work whose process ends when it comes up."""

    def __call__(self, path: Path) -> Done:
        return Done(path.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (5,)
