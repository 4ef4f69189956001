"""Model files by name, and the facts in their headers, read without torch.

A model file is safetensors: eight bytes with the length of a JSON header, the header, numbers. The header's
`__metadata__` holds `config` (JSON), `card` (JSON) and `fingerprint` (16 hexadecimal digits).

A model that was replaced stays in the package as NAME-1, NAME-2 …, its reverse path as NAME-reverse-1 …: a *retired*
model decodes the files that were made with it, which name it by its fingerprint, and makes no new ones.
"""

import difflib
import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.files import reason
from hvqcgic.schema import build, check, number, parse_json

WEIGHTS_FOLDER = Path(__file__).parents[1] / "weights"
MODEL_SUFFIX = ".safetensors"
REVERSE_ENDING = "-reverse"
"""End of the file name of a reverse path, without the suffix."""
REVERSE_OF = "model"
"""Metadata entry of a reverse path with the fingerprint of its model, in hexadecimal digits."""
RECORD_KEY = "trained_on"
"""Entry of a card and of a checkpoint: pictures of each training, see `hvqcgic.training.provenance`."""
_VERSIONED = re.compile(r"(?P<name>.+)-(?P<version>[1-9]\d*)")
"""Name of a model file, without the suffix, that a retired model has."""
MAX_HEADER_BYTES = 1 << 24
"""Largest accepted header. Headers are about ten thousand bytes; a longer one is of a foreign or damaged file."""


@dataclass(frozen=True)
class ConfigOutline:
    """The fields of a model's configuration that commands need before torch is imported; see `ModelConfig`."""

    name: str
    codebook_size: int = number(low=2)
    default_ratios: tuple[float, float, float] = number(high=1)

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values out of range."""
        check(self, "model")


@dataclass(frozen=True)
class ModelSummary:
    """The facts in the header of a model file.

    Attributes:
        name: name of the model in commands.
        path: of the file.
        size_bytes: of the file.
        fingerprint: 8 bytes, as in the `.hvq` files of the model; as stated in the header, not recomputed.
        config: the model's configuration.
        card: data, steps, hardware, figures.
        metadata: the whole `__metadata__` of the header.
    """

    name: str
    path: Path
    size_bytes: int
    fingerprint: bytes
    config: dict[str, Any]
    card: dict[str, Any]
    metadata: dict[str, str]

    @property
    def has_proxy(self) -> bool:
        """Whether the file holds a proxy decoder."""
        return "proxy" in self.metadata

    @property
    def outline(self) -> ConfigOutline:
        """Some fields of the configuration, checked.

        Raises:
            ModelError: they are missing or out of range.
        """
        wanted = [field.name for field in fields(ConfigOutline)]
        try:
            return build(ConfigOutline, {key: self.config[key] for key in wanted if key in self.config}, "model")
        except ConfigError as error:
            raise ModelError(f"{self.path}: not a model of this version of hvqcgic ({error})") from error


def bundled_models() -> dict[str, Path]:
    """Return the files of the bundled models by name, without retired ones."""
    return {name: path for name, path in _files_by_name().items() if successor_of(path) is None}


def retired_models() -> dict[str, Path]:
    """Return the files of the retired models by name."""
    return {name: path for name, path in _files_by_name().items() if successor_of(path) is not None}


def _files_by_name() -> dict[str, Path]:
    found = sorted(WEIGHTS_FOLDER.glob(f"*{MODEL_SUFFIX}"))
    return {path.stem: path for path in found if not re.fullmatch(rf".*{REVERSE_ENDING}(-\d+)?", path.stem)}


def successor_of(path: Path) -> str | None:
    """Return the name of the bundled model that replaced the one in a file; None for a file of any other model."""
    found = _VERSIONED.fullmatch(path.stem)
    if found is None or path.absolute().parent != WEIGHTS_FOLDER.absolute():
        return None
    return found["name"] if (WEIGHTS_FOLDER / (found["name"] + MODEL_SUFFIX)).is_file() else None


def check_offered(path: Path) -> None:
    """Raise `ModelError`, naming the successor, if the model in a file is retired."""
    successor = successor_of(path)
    if successor is not None:
        raise ModelError(
            f"model {path.stem} was replaced by {successor}: it decodes the files that were made with it, and makes no "
            f"new ones; use {successor}"
        )


def bundled_name(fingerprint: bytes) -> str | None:
    """Return the name of the bundled or retired model with a fingerprint, or None; damaged files are ignored here."""
    for path in (bundled_models() | retired_models()).values():
        try:
            summary = read_summary(path)
        except ModelError:
            continue
        if summary.fingerprint == fingerprint:
            return summary.name
    return None


def find_model(name_or_path: str | Path) -> Path:
    """Find the file of a model: a bundled or retired model by its name, or any file by its path.

    Raises:
        ModelError: there is no such model; the message lists the bundled models.
    """
    bundled, retired = bundled_models(), retired_models()
    if str(name_or_path) in bundled | retired:
        return (bundled | retired)[str(name_or_path)]
    path = Path(name_or_path)
    # Not Path.is_file, which raises OSError for a name that is too long.
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        raise ModelError(f"{path}: is a folder, a model is one {MODEL_SUFFIX} file")
    close = difflib.get_close_matches(str(name_or_path), bundled, n=1)
    guess = f" (did you mean {close[0]}?)" if close else ""
    known = f"known are {', '.join(bundled)}" if bundled else "none is bundled"
    raise ModelError(f"unknown model {str(name_or_path)!r}{guess}: {known}; or give the path of a model file")


def reverse_file_of(model_file: Path) -> Path:
    """Path of a model's reverse path; the file need not exist.

    It is NAME-reverse.safetensors beside NAME.safetensors, and NAME-reverse-1.safetensors of the retired model NAME-1.
    """
    name, version = model_file.stem, ""
    if (successor := successor_of(model_file)) is not None:
        name, version = successor, name.removeprefix(successor)
    return model_file.with_name(name + REVERSE_ENDING + version + MODEL_SUFFIX)


def find_reverse(model_file: Path) -> Path:
    """Find the file of a model's reverse path.

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
    """Read the header of a reverse path's file, whose metadata name a model's fingerprint; see `read_summary`.

    Raises:
        ModelError: it cannot be read, or is no reverse path.
    """
    summary = read_summary(path)
    try:
        whole = len(bytes.fromhex(summary.metadata[REVERSE_OF])) == len(summary.fingerprint)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: holds no reverse path but a model; name a file that export made of one") from error
    if not whole:
        raise _damaged(path, "it does not name the model that it belongs to")
    return summary


def check_reverse(path: Path, stands_behind: bytes, name: str, fingerprint: bytes) -> None:
    """Raise `ModelError` if a reverse path belongs to another model.

    Args:
        path: of its file.
        stands_behind: fingerprint of the model that it was trained for.
        name: of the requested model.
        fingerprint: of the requested model.
    """
    if stands_behind != fingerprint:
        raise ModelError(
            f"{path}: belongs to the model of fingerprint {stands_behind.hex()}, {name} has {fingerprint.hex()}; "
            f"put the one made for {name} there"
        )


def read_summary(path: Path) -> ModelSummary:
    """Read the header of a model file, without its numbers.

    Raises:
        ModelError: it cannot be read, or is no model file of this project.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            # The file states the length of its header; the header is read only if the length is plausible.
            header = file.read(length) if length <= MAX_HEADER_BYTES else b""
        size_bytes = path.stat().st_size
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {reason(error)}") from error
    metadata = _metadata(path, header, length)
    try:
        config, card = (parse_json(metadata[part], part) for part in ("config", "card"))
        fingerprint = bytes.fromhex(metadata["fingerprint"])
    except (KeyError, ValueError) as error:
        raise _damaged(path, f"its metadata are incomplete ({reason(error)})") from error
    if len(fingerprint) != 8 or not isinstance(config, dict) or not isinstance(card, dict):
        raise _damaged(path, "its metadata are not those of a model")
    return ModelSummary(path.stem, path, size_bytes, fingerprint, config, card, metadata)


def _metadata(path: Path, header: bytes, length: int) -> dict[str, str]:
    """Parse the `__metadata__` of a safetensors header."""
    if not header or len(header) < length:
        raise _damaged(path, "its header is cut short or was never one")
    try:
        parsed = parse_json(header, "its header")
    except ConfigError as error:
        raise _damaged(path, str(error)) from error
    metadata = parsed.get("__metadata__") if isinstance(parsed, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, "it holds no description of a model")
    return metadata


def _damaged(path: Path, what: str) -> ModelError:
    return ModelError(f"{path}: not a model file of hvqcgic, or damaged: {what}; export it anew or get a fresh copy")
