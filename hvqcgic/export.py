"""`python -m hvqcgic.export CKPT -o FILE.safetensors`: freezes a checkpoint to the one file that codes and decodes.

The file's card says which pictures the weights were trained on. A checkpoint of stage reverse becomes
NAME-reverse.safetensors beside NAME.safetensors, the model that it belongs to. One of stage proxy is added to the file
of its model, FILE (with --force).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from hvqcgic.cli import USAGE, run_with_extra
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import check_output, one_line, reason
from hvqcgic.schema import parse_json


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done, 2 refused in one line."""
    parser = argparse.ArgumentParser(prog="python -m hvqcgic.export", description=__doc__)
    parser.add_argument("checkpoint", metavar="CKPT", help="checkpoint of stage hyperprior, joint, reverse or proxy")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="model file to write, NAME.safetensors")
    parser.add_argument("--name", help="name of the model (default: that of the file)")
    parser.add_argument("--card", metavar="JSON", help="JSON file with the model card to put into the file")
    parser.add_argument("--val", metavar="PICTURES", help="pictures to check float16 on (default: the embedded ones)")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="weights as the last step left them, where the checkpoint also holds their moving average "
        "(--training.ema_decay), which is frozen otherwise",
    )
    parser.add_argument("--force", action="store_true", help="write over an existing file")
    options = parser.parse_args(arguments)
    try:
        print(export(options))
    except HvqcgicError as error:
        print(f"hvqcgic.export: {one_line([error])}", file=sys.stderr)
        return USAGE
    return 0


def export(options: argparse.Namespace) -> str:
    """Writes the model file; returns a line about it.

    Raises:
        ConfigError: the checkpoint, the card or the pictures cannot be read.
        ModelError: the model cannot be frozen, or float16 would cost more than it may.
        OutputError: the file exists or cannot be written.
    """
    source, path = Path(options.checkpoint), Path(options.output)
    check_output(source, path, force=options.force)
    card = read_card(Path(options.card)) if options.card else {}
    from hvqcgic.training import export_proxy, export_reverse, stage_of

    stage = stage_of(source)
    if stage in ("reverse", "proxy"):
        return (export_reverse if stage == "reverse" else export_proxy)(options, card)
    from hvqcgic.model_files import RECORD_KEY, write_model
    from hvqcgic.training import check_half_precision, freeze_model, load_module, pictures_to_check

    module = load_module(source, raw=options.raw)
    card = {RECORD_KEY: module.trained_on} | card
    frozen = freeze_model(module.model, module.priors, card=card, name=options.name or path.stem)
    cost = check_half_precision(module.model, module.priors, frozen, pictures_to_check(options.val))
    write_model(frozen, path, force=options.force)
    size = path.stat().st_size
    weights = f"float16 costs {cost:.4f} dB" if frozen.is_half else "weights in float32"
    return f"{path}: {size} bytes, fingerprint {frozen.fingerprint.hex()}, {weights}"


def read_card(path: Path) -> dict[str, Any]:
    """The model card in a JSON file.

    Raises:
        ConfigError: it cannot be read, or is no JSON object.
    """
    try:
        card = parse_json(path.read_bytes(), f"{path}: the card")
    except OSError as error:
        raise ConfigError(f"{path}: the card cannot be read: {reason(error)}") from error
    if not isinstance(card, dict):
        raise ConfigError(f"{path}: the card is a {type(card).__name__}, expected a JSON object of names and values")
    return card


if __name__ == "__main__":
    sys.exit(run_with_extra("hvqcgic.export", "train", main))
