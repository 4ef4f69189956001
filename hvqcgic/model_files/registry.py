"""Model files by name, and what they say about themselves, read without torch.

A model file is safetensors: eight bytes with the length of a JSON header, the header, numbers. The header's
`__metadata__` holds `config` (JSON), `card` (JSON) and `fingerprint` (16 hexadecimal digits).
"""

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvqcgic.errors import ModelError
from hvqcgic.files import reason

WEIGHTS_FOLDER = Path(__file__).parents[1] / "weights"
MODEL_SUFFIX = ".safetensors"
REVERSE_ENDING = "-reverse"
"""Of the name of the file, beside that of a model, that holds the model's reverse path."""
REVERSE_OF = "model"
"""Its entry in the metadata with the fingerprint of that model, in hexadecimal digits."""
MAX_HEADER_BYTES = 1 << 24
"""Headers are some ten thousand bytes; a longer one is a foreign or damaged file."""


@dataclass(frozen=True)
class ModelSummary:
    """What a model file says about itself.

    Attributes:
        name: how commands call it.
        path: where it is.
        size_bytes: of the file.
        fingerprint: 8 bytes, as in the streams that the model makes; as stated, not recomputed.
        config: the model's configuration.
        card: data, steps, hardware, figures.
        metadata: all of the header's `__metadata__`, as it stands there.
    """

    name: str
    path: Path
    size_bytes: int
    fingerprint: bytes
    config: dict[str, Any]
    card: dict[str, Any]
    metadata: dict[str, str]


def bundled_models() -> dict[str, Path]:
    """The models that come with the package, by name."""
    found = sorted(WEIGHTS_FOLDER.glob(f"*{MODEL_SUFFIX}"))
    return {path.stem: path for path in found if not path.stem.endswith(REVERSE_ENDING)}


def bundled_name(fingerprint: bytes) -> str | None:
    """The bundled model that has a fingerprint, if any; what else is wrong with model files is not asked here."""
    for path in bundled_models().values():
        try:
            summary = read_summary(path)
        except ModelError:
            continue
        if summary.fingerprint == fingerprint:
            return summary.name
    return None


def find_model(name_or_path: str | Path) -> Path:
    """The file of a model: a bundled one by its name, or any by its path.

    Raises:
        ModelError: there is no such model; the message names those that there are.
    """
    bundled = bundled_models()
    if str(name_or_path) in bundled:
        return bundled[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelError(f"{path}: is a folder, a model is one {MODEL_SUFFIX} file")
    close = difflib.get_close_matches(str(name_or_path), bundled, n=1)
    guess = f" (did you mean {close[0]}?)" if close else ""
    known = f"known are {', '.join(bundled)}" if bundled else "none is bundled"
    raise ModelError(f"unknown model {str(name_or_path)!r}{guess}: {known}; or give the path of a model file")


def reverse_file_of(model_file: Path) -> Path:
    """Where the reverse path of a model is, if it has one: NAME-reverse.safetensors beside NAME.safetensors."""
    return model_file.with_name(model_file.stem + REVERSE_ENDING + MODEL_SUFFIX)


def find_reverse(model_file: Path) -> Path:
    """The file of a model's reverse path.

    Raises:
        ModelError: there is none.
    """
    path = reverse_file_of(model_file)
    if not path.is_file():
        raise ModelError(
            f"{path}: not there: model {model_file.stem} has no reverse path; use 0 steps, or make one: "
            f"python -m hvqcgic.train --stage reverse --init {model_file}, then python -m hvqcgic.export"
        )
    return path


def read_reverse_summary(path: Path) -> ModelSummary:
    """As `read_summary`, of the file of a reverse path, whose metadata name a model's fingerprint.

    Raises:
        ModelError: it cannot be read, or is none.
    """
    summary = read_summary(path)
    try:
        whole = len(bytes.fromhex(summary.metadata[REVERSE_OF])) == len(summary.fingerprint)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: holds no reverse path but a model; name a file that export made of one") from error
    if not whole:
        raise _damaged(path, "it does not name the model that it stands behind")
    return summary


def check_reverse(path: Path, stands_behind: bytes, name: str, fingerprint: bytes) -> None:
    """Refuses (`ModelError`) a reverse path for a model that it does not stand behind.

    Args:
        path: of its file.
        stands_behind: fingerprint of the model that it was made for.
        name: of the model that it is wanted for.
        fingerprint: likewise.
    """
    if stands_behind != fingerprint:
        raise ModelError(
            f"{path}: stands behind the model of fingerprint {stands_behind.hex()}, {name} has {fingerprint.hex()}; "
            f"put the one made for {name} there"
        )


def read_summary(path: Path) -> ModelSummary:
    """Read what a model file says about itself; its numbers are not looked at.

    Raises:
        ModelError: it cannot be read, or is no model file of this project.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            # The length is a claim of the file; what it says is read only where it is plausible.
            header = file.read(length) if length <= MAX_HEADER_BYTES else b""
        size_bytes = path.stat().st_size
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {reason(error)}") from error
    metadata = _metadata(path, header, length)
    try:
        config, card = json.loads(metadata["config"]), json.loads(metadata["card"])
        fingerprint = bytes.fromhex(metadata["fingerprint"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(path, f"its metadata are incomplete ({reason(error)})") from error
    if len(fingerprint) != 8 or not isinstance(config, dict) or not isinstance(card, dict):
        raise _damaged(path, "its metadata are not those of a model")
    return ModelSummary(path.stem, path, size_bytes, fingerprint, config, card, metadata)


def _metadata(path: Path, header: bytes, length: int) -> dict[str, str]:
    """The `__metadata__` of a safetensors header."""
    if not header or len(header) < length:
        raise _damaged(path, "its header is cut short or was never one")
    try:
        parsed = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header is not JSON") from error
    metadata = parsed.get("__metadata__") if isinstance(parsed, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, "it holds no description of a model")
    return metadata


def _damaged(path: Path, what: str) -> ModelError:
    return ModelError(f"{path}: not a model file of hvqcgic, or damaged: {what}; export it anew or get a fresh copy")
