"""Freezing of a proxy decoder: add a checkpoint of stage proxy to the file of its model."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from hvqcgic.errors import ConfigError
from hvqcgic.model_files import RECORD_KEY, frozen_proxy, read_model, write_model
from hvqcgic.models import ProxyConfig
from hvqcgic.training.behind_model import load_behind
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.proxy_module import ProxyModule
from hvqcgic.training.thaw import thaw_networks


def export_proxy(options: argparse.Namespace, card: dict[str, Any]) -> str:
    """Write the file of a model with its proxy decoder, in place of the one without; return a line about it.

    Args:
        options: of `python -m hvqcgic.export`; the output is the file of the frozen model.
        card: entries to add to the model's card.
    Raises:
        ConfigError: the checkpoint cannot be used, or the output is no file of its model.
        ModelError: the model is damaged, or a weight does not fit into float16.
        OutputError: the file cannot be written.
    """
    path = Path(options.output)
    if options.name is not None:
        raise ConfigError(f"--name {options.name}: a proxy is added to a model that has its name; leave it out")
    if not path.is_file():
        raise ConfigError(f"{path}: not there: a proxy is added to the file of its model; name it, with --force")
    frozen = read_model(path)

    def make(network: dict[str, Any], training: TrainingConfig) -> ProxyModule:
        return ProxyModule(thaw_networks(frozen), frozen.fingerprint, ProxyConfig.from_dict(network), training)

    module = load_behind(Path(options.checkpoint), path, frozen.fingerprint, make, raw=options.raw)
    card = frozen.card | {RECORD_KEY: module.trained_on} | card
    write_model(replace(frozen, proxy=frozen_proxy(module.proxy), card=card), path, force=options.force)
    return f"{path}: {path.stat().st_size} bytes, fingerprint {frozen.fingerprint.hex()}, with a proxy decoder"
