"""`hvqcgic models`: the models that come with the package."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hvqcgic.model_file import ModelSummary

SUMMARY = "list the bundled models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(arguments: argparse.Namespace) -> int:
    """List the models; return the exit code."""
    from hvqcgic.commands.batch import DONE, SOME_FAILED
    from hvqcgic.commands.terminal import complain, say, say_json
    from hvqcgic.errors import ModelError
    from hvqcgic.model_file import bundled_models, read_summary

    summaries = []
    code = DONE
    for path in bundled_models().values():
        try:
            summaries.append(read_summary(path))
        except ModelError as error:
            complain(error)
            code = SOME_FAILED
    if arguments.json:
        say_json({"models": [as_dict(summary) for summary in summaries]})
    else:
        say("\n".join(map(format_summary, summaries)) or "no model is bundled; name a model file with --model")
    return code


def as_dict(summary: "ModelSummary") -> dict[str, Any]:
    """One model, for machines."""
    return {
        "name": summary.name,
        "path": str(summary.path),
        "bytes": summary.size_bytes,
        "fingerprint": summary.fingerprint.hex(),
        "config": summary.config,
        "card": summary.card,
    }


def format_summary(summary: "ModelSummary") -> str:
    """One model, to be read by a person: a title, then its card."""
    size = f"{summary.size_bytes / 1e6:.1f} MB"
    codebook = f"codebook of {summary.config.get('codebook_size', '?')}"
    lines = [f"{summary.name}: {size}, {codebook}, fingerprint {summary.fingerprint.hex()}"]
    for name, value in summary.card.items():
        entries = _entries(value)
        lines += [f"  {label:<12}{entry}" for label, entry in zip([name, *[""] * len(entries)], entries, strict=False)]
    return "\n".join(lines)


def _entries(value: Any) -> list[str]:
    """The lines of one field of a card."""
    if isinstance(value, dict):
        return [f"{key} {item}" for key, item in value.items()]
    return [", ".join(map(str, value)) if isinstance(value, list) else str(value)]
