"""`hvqcgic info`: the facts in a `.hvq` file, read without a model."""

import argparse
from pathlib import Path
from typing import Any

SUMMARY = "show what a .hvq file says about itself"
EXAMPLE = "hvqcgic info photo.hvq"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="a .hvq file, or - for standard input")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Show one file; return the exit code."""
    from hvqcgic.cli.terminal import say, say_json
    from hvqcgic.files import argument_path

    facts = describe(argument_path(arguments.file))
    if arguments.json:
        say_json(facts)
    else:
        say(format_facts(facts))
    return 0


def describe(path: Path) -> dict[str, Any]:
    """Read all facts that a `.hvq` file states.

    Raises:
        BitstreamError: the file cannot be read; the message names the path.
    """
    from hvqcgic.bitstream import unpack
    from hvqcgic.errors import BitstreamError
    from hvqcgic.files import STANDARD, name_of, read_stream
    from hvqcgic.model_files import bundled_name

    data = read_stream(path)
    try:
        container = unpack(data)
    except BitstreamError as error:
        raise type(error)(f"{name_of(path)}: {error}") from error
    header = container.header
    cells = {"fine": header.n_fine, "medium": header.n_medium, "coarse": header.n_coarse}
    return {
        "name": name_of(path) if path == STANDARD else path.name,
        "bytes": len(data),
        "bpp": 8 * len(data) / (header.width * header.height),
        "width": header.width,
        "height": header.height,
        "version": header.version,
        "fingerprint": header.fingerprint.hex(),
        "model": bundled_name(header.fingerprint),
        "coding": header.mode,
        "cells": cells,
        "ratios": list(header.ratios),
        "sections": [len(section) for section in container.sections],
        "tagged": {name: len(section) for name, section in container.tagged.items()},
    }


def format_facts(facts: dict[str, Any]) -> str:
    """Format the facts of `describe` for a person."""
    from hvqcgic.files import printable

    cells = ", ".join(f"{name} {count}" for name, count in facts["cells"].items())
    ratios = ", ".join(f"{name} {share:.3f}" for name, share in zip(facts["cells"], facts["ratios"], strict=True))
    lines = {
        "coding": facts["coding"],
        "model": f"{facts['model'] or 'not one of those bundled'} (fingerprint {facts['fingerprint']})",
        "cells": cells,
        "ratios": ratios,
        "sections": ", ".join(f"{size} bytes" for size in facts["sections"]),
        "format version": facts["version"],
    }
    if facts["tagged"]:
        lines["beside"] = ", ".join(f"{name} {size} bytes" for name, size in facts["tagged"].items())
    title = f"{printable(facts['name'])}: {facts['width']} x {facts['height']} pixels, {facts['bytes']} bytes"
    return "\n".join([f"{title}, {facts['bpp']:.4f} bpp", *(f"  {name:<16}{value}" for name, value in lines.items())])
