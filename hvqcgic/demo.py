"""`make demo`: a few minutes of joint training from the bundled model, then an unseen picture to a file and back.

Everything is done by the commands that a user types; they are shown before they run. Results are written to `demo/`.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from hvqcgic.cli import run_with_extra
from hvqcgic.pictures import read_picture

STEPS = 120
"""About three minutes on two cores."""


INCOMPARABLE = (
    "THESE FIGURES ARE NOT COMPARABLE with those of the README: this training had no perceptual loss, so the same\n"
    "lambda weighs bits higher against quality. Adaptive coding saves more of a worse picture."
)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done, else that of the command that failed."""
    parser = argparse.ArgumentParser(prog="python -m hvqcgic.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for everything that the demo writes")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps of the joint training")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        run_demo(options.out, options.steps)
    except subprocess.CalledProcessError as error:
        return error.returncode
    print(f"\nThe demo took {(time.monotonic() - started) / 60:.1f} minutes.")
    return 0


def run_demo(out: Path, steps: int) -> None:
    """Trains, freezes, compresses, decompresses, compares, and lays the pictures side by side.

    Raises:
        CalledProcessError: a command failed; its own message stands above.
    """
    out.mkdir(parents=True, exist_ok=True)
    picture = save_unseen_picture(out)
    perceptual = train(out, steps)
    model, stream, decoded = out / "demo.safetensors", out / "unseen.hvq", out / "unseen-decoded.png"
    say("Freeze the result: the one file that codes and decodes.")
    run("hvqcgic.export", str(out / "joint.ckpt"), "-o", str(model), "--name", "demo", "--force")
    say("Compress a picture that the training has not seen, and open the file again in another process.")
    run("hvqcgic", "compress", str(picture), "-o", str(stream), "--model", str(model), "--force")
    run("hvqcgic", "info", str(stream))
    run("hvqcgic", "decompress", str(stream), "-o", str(decoded), "--model", str(model), "--force")
    say("The same indices in every coding mode: what adaptive coding saves.")
    run("hvqcgic", "compare", str(picture), "--model", str(model))
    if not perceptual:
        say(INCOMPARABLE)
    side_by_side = out / "side-by-side.png"
    lay_side_by_side(picture, decoded, side_by_side)
    say(
        f"Look at {side_by_side}: the picture on the left, what {stream.stat().st_size} bytes give back on the right.\n"
        f"Training curves, adaptive against static coding in one chart, granularity maps and bits of each cell:\n"
        f"  {shlex.join([str(Path(sys.executable).parent / 'tensorboard'), '--logdir', str(out)])}"
    )


def save_unseen_picture(out: Path) -> Path:
    """A photograph of scikit-image's wheel that is no training picture."""
    from importlib import resources

    path = out / "unseen.png"
    source = resources.files("skimage").joinpath("data/coffee.png")
    with resources.as_file(source) as file:
        Image.fromarray(read_picture(file)).save(path)
    return path


def train(out: Path, steps: int) -> bool:
    """A joint run at lambda 0.08 and a low learning rate; where LPIPS cannot be had, it is left out, and it says so.

    Returns:
        whether the loss has LPIPS.
    """
    from hvqcgic.perceptual import WeightsMissing, load_lpips

    perceptual = "alex"
    try:
        load_lpips(perceptual)
    except WeightsMissing as error:
        perceptual = "none"
        line = "!" * 100
        print(
            f"{line}\n!! {error}\n!! GOING ON WITHOUT THE PERCEPTUAL LOSS: pictures will be smoother.\n{line}",
            flush=True,
        )
    say(f"Train the bundled model for {steps} steps on the embedded photographs, rate and distortion together.")
    settings = {
        "--config": "demo",
        "--lambda": "0.08",
        "--perceptual": perceptual,
        "--training.steps": str(steps),
        "--out": str(out),
    }
    run("hvqcgic.train", *(word for pair in settings.items() for word in pair))
    return perceptual != "none"


def lay_side_by_side(left: Path, right: Path, result: Path) -> None:
    """Two pictures of one height in one file, with a white gap."""
    pictures = [read_picture(path) for path in (left, right)]
    gap = np.full((pictures[0].shape[0], 8, 3), 255, np.uint8)
    Image.fromarray(np.concatenate([pictures[0], gap, pictures[1]], 1)).save(result)


def run(module: str, *arguments: str) -> None:
    """Runs `python -m module` in a process of its own, as a user would."""
    words = [module, *arguments] if module == "hvqcgic" else ["python", "-m", module, *arguments]
    print(f"\n$ {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


def say(text: str) -> None:
    """A paragraph of the demo's own words."""
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(run_with_extra("hvqcgic.demo", "train", main))
