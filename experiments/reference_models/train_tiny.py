r"""The trainings of `tiny`, `tiny-frozen`, `tiny-hvq` and `tiny-reverse`, in order, by their names in LOG.md.

    python experiments/reference_models/train_tiny.py --data PICTURES --val PICTURES --out runs/tiny
    python experiments/reference_models/train_tiny.py --data 'shards/*.tar' --val val/ --out runs/long --scale 10 \
        -- --pictures.batch_size 64 --pictures.prefixes '[cid22,pixls]'

The shipped models saw the pictures of the prefixes in line w0 of LOG.md, which are freely licensed, and no others.

OUT gets a folder for each training and the model files. --scale multiplies the steps; what follows a double
hyphen are options of `python -m hvqcgic.train`, given to each training after its own. The same command goes on where
it was broken off. On one core it took some eighteen hours, ten of them up to w23: the picture networks from w10 to w22
and from w35 on with `--precision bf16-mixed` on a processor with AVX-512 bf16.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tiny_recipe import RECIPE, Conversion, Training

ROOT = Path(__file__).parents[2]
Runner = Callable[[str, Sequence[str]], int]
"""Runs a module's command line, such as "hvqcgic.train", and returns its exit code."""


def in_its_own_process(module: str, arguments: Sequence[str]) -> int:
    """A `Runner`; trainings with several processes start their others by their own command line."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=False).returncode


def main(arguments: Sequence[str] | None = None, run: Runner = in_its_own_process) -> int:
    """Exit code: 0, or that of the program that failed, whose message stands above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="training pictures, as of hvqcgic.train")
    parser.add_argument("--val", required=True, help="validation pictures, likewise")
    parser.add_argument("--out", type=Path, required=True, help="folder for trainings and models")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many steps (%(default)s)")
    parser.add_argument("options", nargs="*", metavar="OPTION", help="of each training, after --")
    options = parser.parse_args(arguments)
    code = 0
    for step in RECIPE:
        code = code or (take(step, options, run) if isinstance(step, Training) else convert(step, options, run))
    return code


def take(training: Training, options: argparse.Namespace, run: Runner) -> int:
    """Trains and exports; returns an exit code."""
    folder, steps = options.out / training.name, max(1, round(options.scale * training.steps))
    print(f"== {training.name}: stage {training.stage}, {steps} steps", flush=True)
    command = ["--config", training.config, "--stage", training.stage, "--out", str(folder)]
    command += ["--data", options.data, "--val", options.val, "--resume", "true"]
    if training.start:
        command += ["--init", *(str(options.out / name) for name in training.start)]
    command += ["--cache", str(options.out / "features")] if training.cached else []
    command += [f"--{option}" for option in (*training.options, f"training.steps={steps}")] + options.options
    code = run("hvqcgic.train", command)
    if code or not training.model:
        return code
    command = [str(folder / f"{training.stage}.ckpt"), "-o", str(options.out / training.model), "--force"]
    return run("hvqcgic.export", [*command, "--val", options.val])


def convert(conversion: Conversion, options: argparse.Namespace, run: Runner) -> int:
    """Makes the checkpoint, unless an earlier call did; returns an exit code."""
    target = options.out / conversion.name
    if target.exists():
        return 0
    command = [*(str(options.out / name) for name in conversion.start)]
    command += [f"--{option}" for option in conversion.options]
    return run(conversion.tool, [*command, "-o", str(target)])


if __name__ == "__main__":
    sys.exit(main())
