"""Weights of published networks in torch's cache (TORCH_HOME), downloaded if missing, or an error of one line."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from hvqcgic.errors import ConfigError

_CONNECT_TIMEOUT_S = 10.0


class WeightsMissing(ConfigError):
    """The weights of a published network are not on this machine and cannot be downloaded."""


def cached_path(url: str) -> Path:
    """Path of an address in torch's cache; the file need not exist."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def fetch_weights(url: str, what: str) -> Path:
    """Return the path of a weight file in torch's cache; download it if it is missing.

    Args:
        url: address of the file; in a file name NAME-HASH.SUFFIX, HASH is the start of the file's SHA-256.
        what: name of the network, for messages, such as "LPIPS backbone".
    Raises:
        WeightsMissing: it is missing and cannot be downloaded.
    """
    path = cached_path(url)
    if path.is_file():
        return path
    stem = path.name.partition(".")[0]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _socket_timeout(_CONNECT_TIMEOUT_S):
            sys.stderr.write(f"downloading {url} to {path}\n")
            torch.hub.download_url_to_file(
                url, str(path), hash_prefix=stem.rpartition("-")[2], progress=sys.stderr.isatty()
            )
    except (OSError, RuntimeError) as error:
        raise WeightsMissing(
            f"{path}: no {what} weights there and no download ({error}); put {url} there, "
            "or point TORCH_HOME at a folder with hub/checkpoints/"
        ) from error
    return path


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Limit every wait for the network, because torch.hub would wait for ever on a silent proxy."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
