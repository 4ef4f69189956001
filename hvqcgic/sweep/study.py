"""The study that the workers of a sweep share: the first worker creates it, the others compare their settings."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.samplers import BaseSampler

from hvqcgic.errors import ConfigError
from hvqcgic.files import write_atomically
from hvqcgic.schema import parse_json
from hvqcgic.sweep.objectives import Objective
from hvqcgic.sweep.storage import Storage

_SETTINGS, _TOKEN = "settings", "token"
_SECONDS_FOR_SETTINGS = 20.0


def open_study(
    storage: Storage,
    name: str,
    objectives: Sequence[Objective],
    settings: Mapping[str, Any],
    *,
    sampler: BaseSampler,
) -> optuna.Study:
    """Open the study of a sweep, or create it.

    Args:
        storage: of `open_storage`.
        name: of the study.
        objectives: of the sweep.
        settings: all settings that its values depend on, in plain values.
        sampler: of this worker.
    Raises:
        ConfigError: the study has other settings; the message names the first difference.
    """
    wanted = json.loads(json.dumps(dict(settings)))
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=sampler,
            directions=[objective.direction for objective in objectives],
        )
        study.set_metric_names([objective.name for objective in objectives])
        _describe(study, wanted)
    except DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name, sampler=sampler)
    found = _wait_for_settings(study, wanted)
    for key in dict.fromkeys([*wanted, *found]):
        if wanted.get(key) != found.get(key):
            raise ConfigError(
                f"study {name!r} has {key} {_short(found.get(key))}, this sweep has {_short(wanted.get(key))}: "
                "use its configuration, or name another --study"
            )
    return study


def claim_folder(study: optuna.Study, folder: Path) -> None:
    """Mark a folder as belonging to a study, so that no other study writes its trials there.

    Raises:
        ConfigError: it belongs to another study.
        OutputError: it cannot be written.
    """
    note = folder / "study.json"
    token = study.user_attrs[_TOKEN]
    try:
        found = parse_json(note.read_bytes(), str(note))
    except (OSError, ValueError):
        write_atomically(note, json.dumps({"study": study.study_name, _TOKEN: token}).encode() + b"\n", force=True)
        return
    found = found if isinstance(found, dict) else {}
    if found.get(_TOKEN) != token:
        raise ConfigError(f"{folder}: holds the trials of another study ({found.get('study')}); name another --out")


def _describe(study: optuna.Study, settings: Mapping[str, Any]) -> None:
    study.set_user_attr(_TOKEN, uuid.uuid4().hex)
    study.set_user_attr(_SETTINGS, dict(settings))


def _wait_for_settings(study: optuna.Study, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Read the settings that the study's creator wrote; write this worker's own if the creator died before."""
    until = time.monotonic() + _SECONDS_FOR_SETTINGS
    while _SETTINGS not in study.user_attrs:
        if time.monotonic() > until:
            _describe(study, wanted)
        time.sleep(0.2)
    return study.user_attrs[_SETTINGS]


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
