"""What the integer part of a model file may hold."""

from typing import Any

import numpy as np
import pytest

from hvqcgic.entropy import EntropyModel
from hvqcgic.errors import ModelError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_bits": "abc"}, "entropy.weight_bits is 'abc'; use a whole number, 1 to 24"),
        ({"weight_bits": 0}, "entropy.weight_bits is 0; use 1 to 24"),
        ({"activation_bits": 12.5}, "entropy.activation_bits is 12.5; use a whole number, 1 to 24"),
        ({"activation_limit": float("nan")}, "entropy.activation_limit is nan"),
        ({"activation_limit": 64.0}, "entropy.activation_limit is 64.0; use 0.01 to 32"),
        ({"decoder_prior": 1}, "entropy.decoder_prior is 1; use true or false"),
        ({"schedule": ["fine", "coarse"]}, "schedule"),
        ({"schedule": "coarse"}, "entropy.schedule is 'coarse'"),
        ({"prior": {"form": "learned"}}, "prior.code_bits is missing"),
        ({"prior": {"form": "learned", "code_bits": 1e300}}, "prior.code_bits is 1e+300"),
        ({"prior": {"form": "cubic", "code_bits": 12}}, "prior.form is 'cubic'; use one of mahalanobis"),
        ({"networks": 5}, "entropy.networks is 5; use a mapping from names"),
        ({"networks": {"context.coarse": [{"kind": "conv", "stride": 1}]}}, "layer conv has stride, needs stride, pad"),
        ({"networks": {"context.coarse": [{"kind": "conv", "stride": 0, "pad": [0] * 4}]}}, "layer.stride is 0"),
        ({"networks": {"context.coarse": [{"kind": "conv", "stride": 1, "pad": [10**9] * 4}]}}, "layer.pad is"),
        ({"networks": {"context.coarse": [{"kind": "leaky", "shift": -1}]}}, "layer.shift is -1; use 0 to 30"),
        ({"means_block_px": 32}, "means_block_px is 32, no means.table"),
        ({"z_footprint": 5}, "entropy.z_footprint is 5; use one of 4, 8, 16"),
        ({"speed": 5}, "EntropySpec: unknown field 'speed'"),
    ],
)  # fmt: skip
def test_specs_out_of_range_are_refused(frozen: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        EntropyModel(frozen.spec | change, frozen.arrays)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_table_holds_integers(frozen: Any) -> None:
    for name, array in frozen.arrays.items():
        for changed in (array + np.float32(0.1), array.astype(np.float64), array > 0):
            with pytest.raises(ModelError, match=f"{name} holds .* it must hold integers"):
                EntropyModel(frozen.spec, frozen.arrays | {name: changed})
        with pytest.raises(ModelError, match=f"{name} holds 0 numbers"):
            EntropyModel(frozen.spec, frozen.arrays | {name: array[:0]})
        for beyond in (2**53 + 1, -(2**63)):
            with pytest.raises(ModelError, match=f"{name} holds integers beyond"):
                EntropyModel(frozen.spec, frozen.arrays | {name: np.full_like(array, beyond, np.int64)})
        with pytest.raises(ModelError, match=f"{name} holds integers beyond"):
            EntropyModel(frozen.spec, frozen.arrays | {name: np.full_like(array, 2**64 - 1, np.uint64)})
