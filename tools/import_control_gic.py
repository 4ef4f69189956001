"""Import of Control-GIC's published checkpoint as a model file, and comparison with the published code.

    python tools/import_control_gic.py model.ckpt -o control-gic.safetensors
    python tools/import_control_gic.py --check FIXTURE.safetensors

A checkpoint is a Lightning file, a bare state dict, or safetensors. The result is a model file for `hvqcgic.load` and
`hvqcgic compress --model`. Adaptive coding uses only the usage counts until a training with
`configs/control_gic_hyperprior.yaml`. A fixture holds a state dict and the results of the published code for it; the
check compares all of them. Exit code: 0 done, or all within limits; 1 a difference; 2 refused.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from control_gic_checkpoint import read_checkpoint
from control_gic_fixture import Comparison, Report
from control_gic_model import KeyProblems, build_model
from control_gic_parity import check
from rich.console import Console
from rich.table import Table

from hvqcgic.errors import HvqcgicError
from hvqcgic.export import read_card
from hvqcgic.files import check_output, one_line
from hvqcgic.model_files import write_model
from hvqcgic.training import HyperLatentPriors, freeze_model


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", metavar="CKPT", help="checkpoint of Control-GIC")
    parser.add_argument("-o", "--output", metavar="FILE", help="model file to write, NAME.safetensors")
    parser.add_argument("--check", metavar="FIXTURE", help="compare with the published code's results in this file")
    parser.add_argument("--ema", action="store_true", help="take the EMA shadows, not the raw weights as published")
    parser.add_argument("--half", action="store_true", help="weights in float16: half the file, some other indices")
    parser.add_argument(
        "--selection",
        choices=["ordered", "published"],
        default="ordered",
        help="choice of cells: by exact counts, flat areas coarse (default), or by the published thresholds",
    )
    parser.add_argument(
        "--input-range",
        choices=["unit", "signed"],
        default="unit",
        help="input range of the networks: [0, 1] as in the published inference script (default), or [-1, 1] as in the "
        "published training",
    )
    parser.add_argument("--card", metavar="JSON", help="JSON file with the model card to put into the file")
    parser.add_argument("--force", action="store_true", help="write over an existing file")
    parser.add_argument("--json", action="store_true", help="print results as JSON")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; exit code: see the module."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if (options.checkpoint is None or options.output is None) == (options.check is None):
        parser.error("give CKPT and -o FILE, or --check FIXTURE")
    try:
        if options.check is not None:
            return show(check(Path(options.check), quiet=not sys.stderr.isatty()), as_json=options.json)
        return convert(options)
    except KeyProblems as error:
        for line in error.lines:
            complain(f"{options.checkpoint or options.check}: {line}")
    except HvqcgicError as error:
        complain(str(error))
    return 2


def complain(message: str) -> None:
    """Write one line to standard error."""
    print(f"import_control_gic: {one_line([message])}", file=sys.stderr)


def convert(options: argparse.Namespace) -> int:
    """Write the model file of a checkpoint and print a summary.

    Raises:
        ModelError: the checkpoint cannot be used.
        ConfigError: the card cannot be read.
        OutputError: the file exists or cannot be written.
    """
    source, path = Path(options.checkpoint), Path(options.output)
    check_output(source, path, force=options.force)
    weights = "EMA shadows" if options.ema else "raw weights"
    card = {"data": "as its checkpoint", "imported": f"{source.name}, {weights}"}
    card = read_card(Path(options.card)) if options.card else card
    checkpoint = read_checkpoint(source)
    model = build_model(checkpoint, ema=options.ema, selection=options.selection, input_range=options.input_range)
    frozen = freeze_model(model, HyperLatentPriors({}), card=card, name=path.stem, half=options.half)
    write_model(frozen, path, force=options.force)
    size, network, ignored = path.stat().st_size, model.config.control_gic, checkpoint.ignored
    fingerprint = frozen.fingerprint.hex()
    if options.json:
        found = {"path": str(path), "bytes": size, "fingerprint": fingerprint, "config": model.config.to_dict()}
        print(json.dumps(found | {"weights": weights, "ignored": ignored}))
        return 0
    assert network is not None
    numbers = sum(weight.numel() for part in (model.encoder, model.decoder) for weight in part.parameters())
    print(
        f"{path}: {size} bytes, fingerprint {fingerprint}\n"
        f"  networks   {numbers} {weights}, channels {', '.join(map(str, network.widths))} at H to H/16\n"
        f"  codebook   {model.config.codebook_size} codes of {model.config.code_width} numbers, "
        f"used {int(model.quantiser.usage[0].double().sum())} times in training\n"
        f"  selection  {model.config.selection}, networks fed {options.input_range} values\n"
        f"  ignored    {ignored or 'nothing'}"
    )
    return 0


def show(report: Report, *, as_json: bool) -> int:
    """Print the comparisons; return the exit code."""
    if as_json:
        print(json.dumps(dataclasses.asdict(report) | {"passed": report.passed}))
        return 0 if report.passed else 1
    table = Table(title="published code against this project: largest differences")
    for heading, justify in (("case", "left"), ("what", "left"), ("difference", "right"), ("limit", "right")):
        table.add_column(heading, justify=justify)  # pyright: ignore[reportArgumentType]
    table.add_column("")
    for found in shown(report.comparisons):
        table.add_row(found.case, found.what, difference(found), limit(found), "" if found.passed else "FAILED")
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    failed = [found for found in report.comparisons if not found.passed]
    for names, what in ((report.absent, "absent from the fixture"), (report.unknown, "not known, not compared")):
        if names:
            print(f"{what}: {', '.join(names)}")
    print(f"{len(report.comparisons)} comparisons, {len(failed)} beyond their limits")
    return 0 if report.passed else 1


def shown(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Select the lines of the table: equal masks of other ratios share one line for each three ratios."""
    lines: dict[tuple[str, str], Comparison] = {}
    for found in comparisons:
        together = found.case.startswith("router ") and found.passed and found.size > 1
        key = found.case, "masks" if together else found.what
        size = found.size + (lines[key].size if key in lines else 0)
        lines[key] = dataclasses.replace(found, what=key[1], size=size)
    return list(lines.values())


def difference(found: Comparison) -> str:
    """Format the difference of a comparison, in words if it is no number."""
    if found.difference is None:
        return "another shape"
    if found.limit == 0 and found.size > 1:
        return f"{found.difference:.0f} of {found.size}"
    return f"{found.difference:.2g}"


def limit(found: Comparison) -> str:
    """Format the limit of a comparison."""
    return f"{found.limit:.0e}" if found.limit else "equal"


if __name__ == "__main__":
    sys.exit(main())
