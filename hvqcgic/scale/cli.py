"""`python -m hvqcgic.scale`: parse the options, process all shards, write one table of all pictures.

Exit codes: 0 done; 1 some pictures or shards failed; 2 bad input or usage; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from hvqcgic.cli import SOME_FAILED, complain, progress_bar, run_program, say, say_json, say_table
from hvqcgic.extras import check_installed
from hvqcgic.scale.options import build_parser

if TYPE_CHECKING:
    from hvqcgic.scale.parts import Part
    from hvqcgic.scale.request import Request
    from hvqcgic.scale.table import Merged

_FAILED_SHOWN = 20


def run(options: Namespace) -> int:
    """Process the shards, write the table, return the exit code.

    Raises:
        HvqcgicError: options cannot be used, a package is not installed, a cluster cannot be reached, or a folder
            cannot be written.
    """
    check_installed("python -m hvqcgic.scale", "distributed", "webdataset", extra="scale")
    from hvqcgic.scale.parts import read_part
    from hvqcgic.scale.request import claim_folder, read_request
    from hvqcgic.scale.table import write_table

    request = read_request(options)
    folder = request.work.folder
    claim_folder(folder, request.work.settings())

    def parts() -> Iterator[Part]:
        return (part for shard, place in request.places.items() if (part := read_part(folder, shard, place)))

    there = {part.shard for part in parts()}
    to_do = [shard for shard in request.places if shard not in there]
    failures = _work(request, to_do, options)
    merged = write_table(folder, parts, failed_shown=_FAILED_SHOWN)
    _tell(request, merged, failures, as_json=options.json)
    return SOME_FAILED if failures or merged.failed else 0


def _work(request: Request, to_do: list[str], options: Namespace) -> list[str]:
    """Process shards and print the speed; return one line for each failed shard."""
    from hvqcgic.scale.cluster import connected, done_shards

    failures: list[str] = []
    if not to_do:
        return failures
    with (
        connected(options.scheduler, options.workers) as client,
        progress_bar(options.command, len(to_do)) as advance,
    ):
        began, rows = time.monotonic(), 0
        for ended in done_shards(client, request, to_do):
            rows += ended.rows
            failures += [ended.why] if ended.why else []
            advance(ended.shard)
        seconds = time.monotonic() - began
        workers = len(client.scheduler_info()["workers"])
    complain(
        f"{len(to_do) - len(failures)} of {len(to_do)} shards done in {seconds:.1f} s, {rows / seconds:.2f} rows a "
        f"second; workers at the end: {workers}"
    )
    return failures


def _tell(request: Request, merged: Merged, failures: list[str], *, as_json: bool) -> None:
    """Print the outcome, for people or programs, and the failures."""
    from hvqcgic.evaluation import summary_table
    from hvqcgic.scale.table import TABLE

    for name, why in merged.notes.items():
        complain(f"{name}: {why}")
    for why in failures:
        complain(why)
    for shard, row in merged.failed:
        complain(f"{shard}: {row.picture}, {row.codec}, {row.point}: {row.status}")
    rows, failed = (sum(getattr(point, name) for point in merged.points) for name in ("pictures", "failed"))
    if failed:
        complain(f"{failed} of {rows + failed} rows failed; all of them are in the table")
    table = request.work.folder / TABLE
    shards = {"done": len(request.places) - len(failures), "failed": len(failures)}
    if as_json:
        points = [asdict(point) for point in merged.points]
        say_json({"table": str(table), "shards": shards, "n_bytes": merged.n_bytes, "points": points})
        return
    say_table(summary_table(merged.points))
    say(f"{rows + failed} rows of {shards['done']} shards, {merged.n_bytes} bytes coded: {table}")


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return the exit code, see the module."""
    return run_program("hvqcgic.scale", lambda: build_parser().parse_args(arguments), run, kept="shards that are done")
