"""Replaces a bundled model by a newly exported one; the old one stays in the package and decodes its files.

    python -m tools.replace_model tiny NEW.safetensors

The old model's files get the next free version: tiny.safetensors becomes tiny-1.safetensors, tiny.md tiny-1.md and
tiny-reverse.safetensors tiny-reverse-1.safetensors. NEW.safetensors becomes tiny.safetensors, and
NEW-reverse.safetensors becomes tiny-reverse.safetensors if it is there. The new cards, tiny.md and tiny-reverse.md, are
left to write. Nothing is changed if a file is damaged. Exit codes: 0 done; 2 refused in one line.
"""

from __future__ import annotations

import argparse
import sys
from itertools import count
from pathlib import Path

from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import one_line, write_atomically
from hvqcgic.model_files import (
    MODEL_SUFFIX,
    REVERSE_ENDING,
    bundled_models,
    bundled_name,
    check_reverse,
    read_model,
    read_reverse,
    reverse_file_of,
)


def replace_model(name: str, new: Path) -> list[str]:
    """Retire a bundled model and put a new one in its place.

    Args:
        name: of the bundled model.
        new: file of the new model; its reverse path, if it has one, stands beside it.

    Returns:
        one line for each file that was moved or written.

    Raises:
        ConfigError: no model of this name is bundled, or the new model is bundled already.
        ModelError: a new file is damaged, or the reverse path belongs to another model.
    """
    old = bundled_models().get(name)
    if old is None:
        raise ConfigError(f"no model {name!r} is bundled; bundled are {', '.join(bundled_models())}")
    model = read_model(new)
    if (known := bundled_name(model.fingerprint)) is not None:
        raise ConfigError(f"{new}: is the bundled model {known} already; export another one")
    written = {old: new.read_bytes()}
    if (reverse := reverse_file_of(new)).is_file():
        check_reverse(reverse, read_reverse(reverse).model_fingerprint, str(new), model.fingerprint)
        written[reverse_file_of(old)] = reverse.read_bytes()
    lines: list[str] = []
    for path, retired in _retired_names(old, name):
        path.rename(retired)
        lines.append(f"{path} -> {retired}")
    for path, data in written.items():
        write_atomically(path, data)
        lines.append(f"{path}: {len(data)} bytes, new")
    return lines


def _retired_names(old: Path, name: str) -> list[tuple[Path, Path]]:
    """Each file of a model with the path of its next free version."""
    version = next(n for n in count(1) if not old.with_name(f"{name}-{n}{MODEL_SUFFIX}").exists())
    stems, suffixes = (name, name + REVERSE_ENDING), (MODEL_SUFFIX, ".md")
    moves = [(old.with_name(f"{s}{end}"), old.with_name(f"{s}-{version}{end}")) for s in stems for end in suffixes]
    return [(path, retired) for path, retired in moves if path.is_file()]


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.replace_model", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="bundled model to replace, such as tiny")
    parser.add_argument("new", metavar="NEW.safetensors", type=Path, help="the new model, as exported")
    options = parser.parse_args(arguments)
    try:
        print("\n".join(replace_model(options.name, options.new)))
    except HvqcgicError as error:
        print(f"replace_model: {one_line([error])}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
