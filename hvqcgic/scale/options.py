"""The options of `python -m hvqcgic.scale`."""

from __future__ import annotations

from typing import Literal

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt

from hvqcgic.cli import new_parser

DEFAULT_CODEC = "hvqcgic:tiny@ratios=0.5,0.4,0.1"


def build_parser() -> ArgumentParser:
    """Build the parser of all options; each option can also stand in a YAML file given with --config."""
    parser = new_parser(
        "hvqcgic.scale",
        "Compress or evaluate tar shards of pictures with workers of Dask on this or many machines. The "
        "same command again goes on where it stopped: shards that are done are left alone.",
    )
    parser.add_argument(
        "command",
        type=Literal["compress", "evaluate"],
        help="compress: write a tar file of coded pictures for each shard, and their sizes; evaluate: measure each "
        "picture as python -m hvqcgic.evaluate does, and keep only the values",
    )
    parser.add_argument(
        "shards",
        type=str,
        nargs="+",
        metavar="SHARDS",
        help="tar files, patterns such as train-{000..099}.tar, folders of tar files, addresses (https://...), or "
        "pipe:COMMAND; tools/make_shards.py makes them from folders of pictures",
    )
    parser.add_argument(
        "--codecs",
        type=str,
        nargs="+",
        default=[DEFAULT_CODEC],
        metavar="SPEC",
        help="NAME[:VARIANT][@POINTS] as in python -m hvqcgic.evaluate; for compress one codec at one point, such as "
        "hvqcgic:tiny@bpp=0.25",
    )
    parser.add_argument(
        "--out", type=str, required=True, metavar="DIR", help="folder for all output, on a disk that all workers see"
    )
    parser.add_argument(
        "--metrics", type=str, nargs="+", metavar="NAME", help="metrics of evaluate (default: all available)"
    )
    add_workers(parser)
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    return parser


def add_workers(parser: ArgumentParser) -> None:
    """Add the options of the workers."""
    parser.add_argument("--device", type=str, default="cpu", help="device of the networks: cpu, cuda, cuda:1 ...")
    parser.add_argument(
        "--scheduler",
        type=str | None,
        default=None,
        metavar="ADDRESS",
        help="address of a Dask cluster, tcp://HOST:8786 (default: workers on this machine, for this call)",
    )
    parser.add_argument(
        "--workers", type=NonNegativeInt, default=0, help="workers on this machine; 0 for one per CPU core"
    )
