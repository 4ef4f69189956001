"""The models that a page offers, each loaded when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hvqcgic.bitstream import read_fingerprint
from hvqcgic.codec import Codec
from hvqcgic.errors import ConfigError, ModelError, ModelMismatch
from hvqcgic.model_files import bundled_models
from hvqcgic.models import REPORTED_RATIOS
from hvqcgic.rate_control import rate_range


@dataclass(frozen=True)
class Offer:
    """What the page knows of a model before it is loaded.

    Attributes:
        name: in requests.
        label: for readers.
    """

    name: str
    label: str


class Codecs:
    """Codecs by the names of their models; used by all pages."""

    def __init__(self, first: str, codec: Codec, load: Callable[[str], Codec]) -> None:
        """Offer the bundled models and the first one.

        Args:
            first: name or path of the model that pages start with.
            codec: of that model.
            load: loads the codec of another one.
        """
        self.first = first
        names = [first, *(name for name in bundled_models() if name != first)]
        self.offers = [Offer(name, codec.name if name == first else name) for name in names]
        self._load, self._lock = load, threading.Lock()
        self._codecs = {first: codec}

    def get(self, name: str) -> Codec:
        """Return the codec of an offered model.

        Raises:
            ConfigError: the model is not offered.
            ModelError: its file is damaged.
        """
        if all(name != offer.name for offer in self.offers):
            known = ", ".join(offer.name for offer in self.offers)
            raise ConfigError(f"model {name!r} is not offered here; use {known}")
        with self._lock:
            if name not in self._codecs:
                self._codecs[name] = self._load(name)
            return self._codecs[name]

    def for_file(self, data: bytes, name: str) -> Codec:
        """Return the codec of the model that made a `.hvq` file: the first one, or a bundled or retired one.

        Args:
            data: the file.
            name: of the file, for the message.

        Raises:
            ModelMismatch: another model made it.
        """
        codec, fingerprint = self._codecs[self.first].for_file(data), read_fingerprint(data)
        if codec.fingerprint != fingerprint:
            raise ModelMismatch(
                f"{name}: made with a model of fingerprint {fingerprint.hex()}, which is not offered here; "
                "start hvqcgic explore with its file: --model"
            )
        return codec

    def facts(self, name: str) -> dict[str, Any]:
        """What the page shows of a model: its range of bit rates and its default ratios."""
        codec = self.get(name)
        low, high = rate_range(codec.config)
        return {
            "bpp": [low, high],
            "ratios": list(codec.config.default_ratios),
            "presets": [list(ratios) for ratios in REPORTED_RATIOS],
            "steps": has_reverse_path(codec),
        }


def has_reverse_path(codec: Codec) -> bool:
    """Whether a model has a usable reverse path."""
    try:
        return bool(codec.reverse_path.fingerprint)
    except ModelError:
        return False
