"""What tools/fuzz.py changes and reads of models and reverse paths: their files, and streams decoded in a step."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from fuzz_kinds import CONFIGS, CPU, MOST_PIXELS, RECOMPUTED, Files, Streams
from fuzz_models import small_config, small_model, small_picture, small_reverse
from fuzz_mutations import change_bytes, change_tensors, change_text
from numpy.typing import NDArray
from safetensors.numpy import load, save

from hvqcgic.bitstream import MODES, read_fingerprint
from hvqcgic.codec import Codec
from hvqcgic.errors import ConfigError
from hvqcgic.model_files import FrozenModel, FrozenReverse, read_model, write_model, write_reverse
from hvqcgic.models import ModelConfig, ReverseConfig


class Safetensors(Files):
    """Files of tensors with JSON in their metadata."""

    suffix = ".safetensors"
    parts: ClassVar[tuple[str, ...]]
    """Entries of the metadata that are changed, and "tensors"; more often what stands there more often."""
    seeds: list[bytes]

    def change(self, random: Random) -> bytes:
        """See `Kind`."""
        data = random.choice(self.seeds)
        if random.random() < 0.1:
            return change_bytes(random, data[: 8 + header_bytes(data)], self.seeds) + data[8 + header_bytes(data) :]
        metadata: dict[str, str] = json.loads(data[8 : 8 + header_bytes(data)])["__metadata__"]
        tensors = load(data)
        part = random.choice(self.parts)
        if part == "tensors":
            tensors = change_tensors(random, tensors)
        else:
            metadata[part] = changed_entry(random, metadata[part])
        if random.random() < RECOMPUTED:
            metadata["fingerprint"] = self.fitting_fingerprint(metadata, tensors)
        entries = {key: value.encode("utf-8", "replace").decode() for key, value in metadata.items()}
        return in_order(save(tensors, entries))

    @abstractmethod
    def fitting_fingerprint(self, metadata: Mapping[str, str], tensors: dict[str, NDArray[Any]]) -> str:
        """The fingerprint that a file should have, if its configuration can be read; else any."""


class Models(Safetensors):
    """Model files: configuration, spec, card, tensors."""

    name = "models"
    parts = ("config", "config", "entropy", "entropy", "card", "tensors", "tensors")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seeds = []
        for options in CONFIGS:
            write_model(small_model(small_config(**options)), self.path, force=True)
            self.seeds.append(in_order(self.path.read_bytes()))
        self.picture = small_picture(Random(0), 20, 18)

    def read_file(self) -> None:
        """See `Files`."""
        codec = Codec(read_model(self.path), CPU)
        codec.decompress(codec.compress(self.picture))

    def fitting_fingerprint(self, metadata: Mapping[str, str], tensors: dict[str, NDArray[Any]]) -> str:
        """See `Safetensors`."""
        parts: list[dict[str, NDArray[Any]]] = [
            {name.removeprefix(start): array for name, array in tensors.items() if name.startswith(start)}
            for start in ("network.", "entropy.")
        ]
        try:
            config = ModelConfig.from_dict(json.loads(metadata["config"]))
            return FrozenModel(config, parts[0], json.loads(metadata["entropy"]), parts[1], {}).fingerprint.hex()
        except (ConfigError, ValueError, AttributeError, RecursionError):
            return bytes(8).hex()


def changed_entry(random: Random, text: str) -> str:
    """A changed entry of the metadata, which is JSON or a fingerprint."""
    if text.startswith("{"):
        return change_text(random, json.loads(text))
    return change_bytes(random, text.encode(), [text.encode()]).decode("utf-8", "replace")


def in_order(data: bytes) -> bytes:
    """A safetensors file with its header in order, because `save` mixes the metadata anew each time."""
    header = json.dumps(json.loads(data[8 : 8 + header_bytes(data)]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + header_bytes(data) :]


def header_bytes(data: bytes) -> int:
    """Length of the header of a safetensors file."""
    return int.from_bytes(data[:8], "little")


def model_with_reverse(folder: Path, *, hyperpriors: bool) -> tuple[FrozenModel, Path]:
    """A model in a file of its own, and the file of the reverse path beside it."""
    path = folder / f"reversible-{hyperpriors}.safetensors"
    write_model(small_model(small_config(hyperpriors=hyperpriors)), path, force=True)
    model, beside = read_model(path), path.with_name(f"{path.stem}-reverse.safetensors")
    write_reverse(small_reverse(model), beside, force=True)
    return model, beside


class ReversedStreams(Streams):
    """Streams that are decoded with one step of the reverse path."""

    name, modes = "reversed-streams", MODES[:2]

    def make_codecs(self) -> Iterator[Codec]:
        """See `Streams`."""
        for hyperpriors in (False, True):
            yield Codec(model_with_reverse(self.folder, hyperpriors=hyperpriors)[0], CPU)

    def read(self, data: bytes) -> None:
        """See `Kind`."""
        codec = self.codecs.get(read_fingerprint(data), next(iter(self.codecs.values())))
        codec.decompress(data, steps=1, max_pixels=MOST_PIXELS)


class ReversePaths(Safetensors):
    """Files of reverse paths: configuration, the model that they belong to, card, tensors."""

    name = "reverse-paths"
    parts = ("config", "config", "config", "model", "card", "tensors", "tensors")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.model, self.path = model_with_reverse(folder, hyperpriors=False)
        self.seeds = [in_order(self.path.read_bytes())]
        self.stream = Codec(self.model, CPU).compress(small_picture(Random(0), 20, 18))

    def fitting_fingerprint(self, metadata: Mapping[str, str], tensors: dict[str, NDArray[Any]]) -> str:
        """See `Safetensors`."""
        try:
            config = ReverseConfig.from_dict(json.loads(metadata["config"]))
            return FrozenReverse(config, self.model.fingerprint, tensors, {}).fingerprint.hex()
        except (ConfigError, ValueError, AttributeError, RecursionError):
            return bytes(8).hex()

    def read_file(self) -> None:
        """See `Files`."""
        Codec(replace(self.model), CPU).decompress(self.stream, steps=1)
