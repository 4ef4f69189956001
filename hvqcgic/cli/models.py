"""`hvqcgic models`: list the bundled models."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hvqcgic.model_files import ModelSummary

SUMMARY = "list the bundled models"
EXAMPLE = "hvqcgic models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(arguments: argparse.Namespace) -> int:
    """List the models; return the exit code."""
    from hvqcgic.cli.exit_codes import DONE, SOME_FAILED
    from hvqcgic.cli.terminal import complain, say, say_json
    from hvqcgic.errors import ModelError
    from hvqcgic.model_files import bundled_models, read_summary, retired_models

    listed: list[Listed] = []
    code = DONE
    for path in [*bundled_models().values(), *retired_models().values()]:
        try:
            summary = read_summary(path)
            listed.append(Listed(summary, None))
            listed[-1] = Listed(summary, _reverse_of(summary))
        except ModelError as error:
            complain(error)
            code = SOME_FAILED
    if arguments.json:
        offered = [as_dict(model) for model in listed if model.successor is None]
        retired = [as_dict(model) for model in listed if model.successor is not None]
        say_json({"models": offered, "for_decoding": retired})
    else:
        say("\n".join(map(format_model, listed)) or "no model is bundled; name a model file with --model")
    return code


@dataclass(frozen=True)
class Listed:
    """A model and its reverse path; None if the model has no usable reverse path."""

    summary: "ModelSummary"
    reverse: "ModelSummary | None"

    @property
    def successor(self) -> str | None:
        """Name of the model that replaced it; None for a model that makes new files."""
        from hvqcgic.model_files import successor_of

        return successor_of(self.summary.path)


def _reverse_of(summary: "ModelSummary") -> "ModelSummary | None":
    """Find the reverse path of a model; raise `ModelError` if its file is damaged or belongs to another model."""
    from hvqcgic.model_files import REVERSE_OF, check_reverse, read_reverse_summary, reverse_file_of

    path = reverse_file_of(summary.path)
    if not path.is_file():
        return None
    reverse = read_reverse_summary(path)
    check_reverse(path, bytes.fromhex(reverse.metadata[REVERSE_OF]), summary.name, summary.fingerprint)
    return reverse


def as_dict(model: Listed) -> dict[str, Any]:
    """Return the facts of one model for programs."""
    summary, reverse = model.summary, model.reverse
    return {
        "name": summary.name,
        "path": str(summary.path),
        "bytes": summary.size_bytes,
        "fingerprint": summary.fingerprint.hex(),
        "config": summary.config,
        "card": summary.card,
        "reverse": reverse and {"path": str(reverse.path), "fingerprint": reverse.fingerprint.hex()},
        **({} if model.successor is None else {"successor": model.successor}),
    }


def format_model(model: Listed) -> str:
    """Format one model for a person: a title, its card, and whether it has a reverse path; a title if it is retired."""
    from hvqcgic.model_files import RECORD_KEY

    summary, reverse = model.summary, model.reverse
    size = f"{summary.size_bytes / 1e6:.1f} MB"
    if model.successor is not None:
        title = f"{summary.name}: {size}, for decoding, fingerprint {summary.fingerprint.hex()}"
        return f"{title}; replaced by {model.successor}"
    codebook = f"codebook of {summary.config.get('codebook_size', '?')}"
    lines = [f"{summary.name}: {size}, {codebook}, fingerprint {summary.fingerprint.hex()}"]
    # Where a card describes its pictures in words, their record is left to --json.
    shown = {name: value for name, value in summary.card.items() if name != RECORD_KEY or "data" not in summary.card}
    for name, value in shown.items():
        entries = _entries(value)
        lines += [f"  {label:<12}{entry}" for label, entry in zip([name, *[""] * len(entries)], entries, strict=False)]
    path = f"path of {reverse.size_bytes / 1e6:.1f} MB, for decompress --steps" if reverse else "no path"
    return "\n".join([*lines, f"  {'reverse':<12}{path}"])


def _entries(value: Any) -> list[str]:
    """Split one field of a card into lines."""
    if isinstance(value, dict):
        return [f"{key} {item}" for key, item in value.items()]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
