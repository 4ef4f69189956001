"""Tables of the entropy coder that depend on photographs, not on a model, and are part of the package."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from hvqcgic.entropy import MeansCoder
from hvqcgic.errors import ModelError
from hvqcgic.files import reason
from hvqcgic.models import MeansConfig


def map_coder() -> dict[str, NDArray[Any]]:
    """Tables of the granularity map's coder. They depend on photographs and ratios.

    Raises:
        ModelError: the package lacks the tables.

    Made by `tools/fit_map_coder.py`.
    """
    return _read("map-coder.bin")


def means_table(config: MeansConfig) -> NDArray[Any]:
    """Table of the coder of local means, see `MeansCoder`.

    Raises:
        ModelError: the package lacks the tables, or there is none for this block and these steps.

    Made by `tools/fit_means_coder.py`.
    """
    tables = _read("means-coder.bin")
    if (name := table_name(config)) not in tables:
        raise ModelError(
            f"model.means: there is no table for {name}; use one of {', '.join(sorted(tables))}, or make it with "
            "tools/fit_means_coder.py"
        )
    return tables[name]


@cache
def means_coder(config: MeansConfig) -> MeansCoder:
    """Coder of local means, for their bits in training; errors as in `means_table`."""
    return MeansCoder(means_table(config))


def table_name(config: MeansConfig) -> str:
    """Name of a table: block in pixels, luma step, chroma step."""
    return f"{config.block_px}-{config.luma_step}-{config.chroma_step}"


def _read(name: str) -> dict[str, NDArray[np.generic]]:
    path = resources.files("hvqcgic").joinpath(f"weights/{name}")
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {reason(error)}; install hvqcgic anew") from error
