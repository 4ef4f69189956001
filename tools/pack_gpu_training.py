#!/usr/bin/env python3
"""Pack a folder of at most 60 MB for `gpu_train.sh` on a machine with torch and CUDA but without network.

python tools/pack_gpu_training.py gpu --data pictures/train --val pictures/val [--init CKPT | --resume gpu-out]

gpu/wheels/          packages that the machine lacks, for its Python
gpu/pictures/        train/*.tar and val/val.tar
gpu/torch_home/      backbone weights of the LPIPS networks
gpu/start.ckpt       weights to start from (--init)
gpu/resume/          pieces of an earlier training (--resume)
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import PICTURE_SUFFIXES
from hvqcgic.perceptual import weights_path

ROOT = Path(__file__).resolve().parents[1]
# Our dependencies that a PyTorch image usually lacks, and their dependencies.
PACKAGES = (
    "braceexpand",
    "compressai",
    "constriction",
    "docstring_parser",
    "jsonargparse",
    "lpips",
    "pytorch-msssim",
    "typeshed_client",
    "webdataset",
)
# pip matches the number after manylinux_2_ exactly.
PLATFORMS = (
    "manylinux1_x86_64",
    "manylinux2014_x86_64",
    *(f"manylinux_2_{n}_x86_64" for n in (17, 24, 27, 28, 31, 34, 35)),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack; exit code 0, or 2 with one line on standard error."""
    options = _parser().parse_args(arguments)
    try:
        pack(options)
    except (HvqcgicError, OSError, subprocess.CalledProcessError) as error:
        print(f"pack_gpu_training: {error}", file=sys.stderr)
        return 2
    return 0


def pack(options: argparse.Namespace) -> None:
    """Fill the folder; training shards come last, as many as fit.

    Raises:
        ConfigError: the folder is not empty, an input is missing, or not even one shard fits.
    """
    folder: Path = options.folder
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    if options.wheels:
        fetch_wheels(folder / "wheels", options.python, options.package or PACKAGES)
    for net in options.perceptual:
        copy_weights(net, folder / "torch_home")
    if options.init:
        shutil.copyfile(options.init, folder / "start.ckpt")
    if options.resume:
        copy_pieces(options.resume, folder / "resume")
    pack_pictures(options.val, folder / "pictures" / "val" / "val.tar", options.val_pictures)
    room = options.limit_mb * 10**6 - size_bytes(folder)
    taken, left = copy_shards(options.data, folder / "pictures" / "train", room)
    print(f"{folder}: {size_bytes(folder) / 1e6:.1f} MB, {taken} training shards, {left} left out for lack of room")


def fetch_wheels(folder: Path, python: str, packages: Sequence[str]) -> None:
    """Download wheels of the tested versions for another Python, without their dependencies."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    versions = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins.items()}
    wanted = [f"{name}=={versions[re.sub(r'[-_.]+', '-', name).lower()]}" for name in packages]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder]
    command += ["--python-version", python, "--implementation", "cp"]
    command += [part for platform in PLATFORMS for part in ("--platform", platform)]
    subprocess.run([*command, *wanted], check=True)


def copy_weights(net: str, torch_home: Path) -> None:
    """Copy LPIPS's backbone weights from torch's cache."""
    source = weights_path(net)
    if not source.is_file():
        raise ConfigError(f"{source}: no backbone weights there; set TORCH_HOME, or name no network after --perceptual")
    target = torch_home / "hub" / "checkpoints" / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def copy_pieces(source: Path, target: Path) -> None:
    """Copy the pieces of an earlier training."""
    pieces = sorted(source.glob("run.tar.*"))
    if not pieces:
        raise ConfigError(f"{source}: no run.tar.* there; name the folder that gpu_train.sh left")
    target.mkdir()
    for piece in pieces:
        shutil.copyfile(piece, target / piece.name)


def pack_pictures(source: Path, target: Path, count: int) -> None:
    """Put the first pictures of a folder into one tar file."""
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)[:count]
    if not files:
        raise ConfigError(f"{source}: no pictures there; give a folder with validation pictures")
    target.parent.mkdir(parents=True)
    with tarfile.open(target, "w") as tar:
        for number, file in enumerate(files):
            tar.add(file, arcname=f"{number:05}{file.suffix.lower()}")


def copy_shards(source: Path, target: Path, room: int) -> tuple[int, int]:
    """Copy tar files in order of their names while they fit into `room` bytes; return the numbers copied and left."""
    shards = sorted(source.glob("*.tar"))
    if not shards:
        raise ConfigError(f"{source}: no tar files there; give a folder with training shards")
    target.mkdir(parents=True)
    taken = 0
    for shard in shards:
        if shard.stat().st_size <= room:
            shutil.copyfile(shard, target / shard.name)
            room -= shard.stat().st_size
            taken += 1
    if not taken:
        raise ConfigError(f"{source}: no shard fits into the {max(room, 0) / 1e6:.1f} MB left; cut smaller shards")
    return taken, len(shards) - taken


def size_bytes(folder: Path) -> int:
    """Size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="new or empty folder to fill")
    parser.add_argument("--data", type=Path, required=True, help="folder with training shards, *.tar")
    parser.add_argument("--val", type=Path, required=True, help="folder with validation pictures")
    parser.add_argument("--val-pictures", type=int, default=16, help="number of validation pictures (default 16)")
    parser.add_argument("--init", type=Path, help="checkpoint with the starting weights")
    parser.add_argument("--resume", type=Path, help="folder with the pieces of gpu_train.sh, to continue from")
    parser.add_argument(
        "--perceptual",
        nargs="*",
        default=["alex"],
        choices=["alex", "vgg", "squeeze"],
        help="LPIPS networks that --perceptual and --further_perceptual of the training name (default alex); "
        "without a name, for a training without LPIPS: none",
    )
    parser.add_argument("--python", default="3.12", help="Python of the machine (default 3.12)")
    parser.add_argument("--package", action="append", help="package the machine lacks; repeat; default: the usual ones")
    parser.add_argument("--no-wheels", dest="wheels", action="store_false", help="the machine lacks no package")
    parser.add_argument("--limit-mb", type=float, default=60, help="size of the folder, MB of 10^6 bytes (default 60)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
