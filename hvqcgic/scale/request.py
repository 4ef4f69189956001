"""The options of a run over shards, parsed and checked before any worker starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation import METRICS, CodecSpec, parse_specs
from hvqcgic.files import reason, write_atomically
from hvqcgic.pictures import expand, is_address, shard_name
from hvqcgic.schema import parse_json

COMPRESS = "compress"
RUN = "run.json"


@dataclass(frozen=True)
class Work:
    """The work on each shard. A Work can be sent to a worker.

    Attributes:
        compresses: True to keep the coded pictures; False to measure them.
        specs: codecs and their points; one codec with one point if `compresses`.
        metrics: names of the metrics to measure.
        device: device of the networks.
        folder: absolute path for all output; every worker sees it.
    """

    compresses: bool
    specs: tuple[CodecSpec, ...]
    metrics: tuple[str, ...]
    device: str
    folder: Path

    def settings(self) -> dict[str, Any]:
        """Settings that the rows depend on, beside the pictures; opens every codec.

        Raises:
            ConfigError: a codec cannot be used here.
            ModelError: there is no such model.
        """
        points = {
            f"{spec.label}@{point}": spec.open(point, device=self.device).fingerprint
            for spec in self.specs
            for point in spec.points
        }
        command = COMPRESS if self.compresses else "evaluate"
        return {"command": command, "codecs": points, "metrics": list(self.metrics)}


@dataclass(frozen=True)
class Request:
    """A run over shards.

    Attributes:
        work: the work on each shard.
        places: paths, addresses or commands of the shards by name, see `hvqcgic.pictures.shards`.
    """

    work: Work
    places: dict[str, str]


def read_request(options: Namespace) -> Request:
    """Check the options.

    Raises:
        ConfigError: a codec, point or metric is unknown, there are no shards, or two shards have one name.
    """
    specs = parse_specs(options.codecs)
    compresses = options.command == COMPRESS
    if specs.published:
        raise ConfigError(f"published:{specs.published[0]}: published curves code no pictures; name codecs")
    if compresses and (len(specs.codecs) != 1 or len(specs.codecs[0].points) != 1):
        named = ", ".join(f"{spec.label} at {len(spec.points)} points" for spec in specs.codecs)
        raise ConfigError(f"--codecs: {named}; compress takes one codec at one point, such as hvqcgic:tiny@bpp=0.25")
    if compresses and options.metrics:
        raise ConfigError("--metrics does not go with compress, which measures nothing but sizes; use evaluate")
    metrics = () if compresses else tuple(options.metrics or METRICS)
    if unknown := [name for name in metrics if name not in METRICS]:
        raise ConfigError(f"unknown metric {unknown[0]!r}: known are {', '.join(METRICS)}")
    work = Work(compresses, specs.codecs, metrics, options.device, Path(options.out).absolute())
    return Request(work, find_places(options.shards))


def find_places(sources: Sequence[str]) -> dict[str, str]:
    """Find the shards; return their paths (absolute), addresses or commands by name.

    Raises:
        ConfigError: there are no shards, or two have one name.
    """
    found: dict[str, str] = {}
    for place in (place for source in sources for place in _expanded(source)):
        name = shard_name(place)
        if found.setdefault(name, place) != place:
            raise ConfigError(
                f"{found[name]} and {place}: both are called {name}, as their results would be; rename one of them"
            )
    return found


def _expanded(source: str) -> list[str]:
    if is_address(source):
        return expand(source)
    path = Path(source).expanduser()
    if not path.is_dir():
        return [str(Path(place).absolute()) for place in expand(str(path))]
    tars = sorted(path.rglob("*.tar"))
    if not tars:
        raise ConfigError(f"{source}: no tar shards in this folder; tools/make_shards.py makes them from pictures")
    return [str(tar.absolute()) for tar in tars]


def claim_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of the results into their folder.

    Raises:
        ConfigError: the folder holds results of other settings.
        OutputError: the folder cannot be written.
    """
    path = folder / RUN
    try:
        before = parse_json(path.read_bytes(), "the file")
    except FileNotFoundError:
        write_atomically(path, (json.dumps(settings, indent=1) + "\n").encode(), force=True)
        return
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {reason(error)}; name another --out") from error
    if before != settings:
        other = next(name for name in settings if not isinstance(before, dict) or before.get(name) != settings[name])
        raise ConfigError(f"{folder}: holds results of other settings, see `{other}` in {path}; name another --out")
