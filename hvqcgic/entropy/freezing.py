"""Conversion of trained, floating-point parts to the integer tables of a frozen entropy model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.entropy.entropy_model import EntropyModel
from hvqcgic.entropy.exact_layers import Precision, freeze_network
from hvqcgic.entropy.factorised_prior import freeze_pmf
from hvqcgic.entropy.index_prior import freeze_prior
from hvqcgic.entropy.integers import shrink, smallest_integers

LayerDescription = tuple[Any, ...]
FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class FrozenEntropy:
    """The entropy model in a model file: a JSON-able spec, and integer arrays by name."""

    spec: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class FrozenMeans:
    """Local means of a model.

    Attributes:
        block_px: side of a block in pixels.
        table: of `fit_means_table`.
        synthesis: the network of each granularity that reads them.
    """

    block_px: int
    table: NDArray[Any]
    synthesis: Mapping[str, Sequence[LayerDescription]]


def freeze(
    *,
    codebook: FloatArray,
    schedule: Sequence[str],
    form: str,
    context: Mapping[str, Sequence[LayerDescription]],
    synthesis: Mapping[str, Sequence[LayerDescription]],
    z_pmf: Mapping[str, FloatArray],
    usage: NDArray[Any],
    map_tables: Mapping[str, NDArray[Any]],
    log_prior: FloatArray | None = None,
    features: FloatArray | None = None,
    precision: Precision | None = None,
    decoder_prior: bool = False,
    means: FrozenMeans | None = None,
    z_footprint: int = 4,
) -> FrozenEntropy:
    """Freeze an entropy model to integers, and build it once to refuse a model that could be inexact.

    Args:
        codebook: (K, d).
        schedule: pass names, see `hvqcgic.bitstream.parse_schedule`.
        form: of the index prior, by its name in `hvqcgic.index_priors.FORMS`.
        context: a network for each pass, by its name; layers as in `hvqcgic.entropy.exact_layers.freeze_network`.
        synthesis: a network for each granularity with a hyperprior.
        z_pmf: for the same granularities, (Cz, 2 z_limit + 1) probabilities of -z_limit .. z_limit.
        usage: (3, K) counts of each code, order coarse, medium, fine.
        map_tables: from `hvqcgic.entropy.map_fitting.fit_map_coder`.
        log_prior: (3, K) bits, added to the logits; None for none.
        features: (K, R) bits, for forms that learn their table of codes.
        precision: integer grids of the networks.
        decoder_prior: whether the picture decoder reads the prior's parameters; z is then sent in every coding mode.
        means: of local means; None without.
        z_footprint: side, in cells, of the square of one position of z.

    Raises:
        ModelError: a network or the prior could leave the exact range (names the layer), the schedule is invalid, or
            parts do not fit together.
    """
    precision = precision or Precision()
    prior_spec, arrays = freeze_prior(form, codebook=codebook, log_prior=log_prior, features=features)
    arrays["embeddings"] = smallest_integers(codebook, precision.activation_bits, "codebook")
    arrays["usage"] = shrink(np.asarray(usage).astype(np.int64))
    arrays |= {name: np.asarray(table) for name, table in map_tables.items()}
    arrays |= {f"z.{g}": freeze_pmf(pmf) for g, pmf in z_pmf.items()}
    arrays |= {"means.table": means.table} if means else {}
    named = {f"synthesis.{g}": synthesis[g] for g in GRANULARITIES if g in synthesis}
    named |= {f"means.{g}": layers for g, layers in (means.synthesis if means else {}).items()}
    networks, own = _freeze_networks(named | {f"context.{name}": context[name] for name in context}, precision)
    arrays |= own
    spec = {
        "schedule": list(schedule),
        "prior": prior_spec,
        **asdict(precision),
        "decoder_prior": decoder_prior,
        "networks": networks,
    }
    # Older models do not have these fields, and keep their fingerprints.
    spec |= {"means_block_px": means.block_px} if means else {}
    spec |= {"z_footprint": z_footprint} if z_footprint != 4 else {}
    EntropyModel(spec, arrays)
    return FrozenEntropy(spec, arrays)


def _freeze_networks(
    named: Mapping[str, Sequence[LayerDescription]], precision: Precision
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, NDArray[Any]]]:
    """Specs of networks and their arrays."""
    specs: dict[str, list[dict[str, Any]]] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, layers in named.items():
        specs[name], own = freeze_network(name, layers, precision)
        arrays |= own
    return specs, arrays
