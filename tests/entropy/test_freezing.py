import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hvqcgic.entropy import EntropyModel, fit_map_coder, freeze
from hvqcgic.errors import ModelError


def arguments(**changes: Any) -> dict[str, Any]:
    """The least that can be frozen: one pass a granularity, no hyperprior."""
    point = [("conv", np.zeros((4, 6, 1, 1)), np.zeros(4), 1, (0, 0, 0, 0))]
    least: dict[str, Any] = {
        "codebook": np.eye(5, 2),
        "schedule": ("coarse", "medium", "fine"),
        "form": "diagonal",
        "context": dict.fromkeys(("coarse", "medium", "fine"), point),
        "synthesis": {},
        "z_pmf": {},
        "usage": np.ones((3, 5)),
        "map_tables": fit_map_coder([]),
    }
    return least | changes


def test_spec_is_json_and_arrays_are_small_integers(make_model: Callable[..., Any]) -> None:
    frozen = make_model()
    assert json.loads(json.dumps(frozen.spec)) == frozen.spec | {"schedule": list(frozen.spec["schedule"])}
    for name, array in frozen.arrays.items():
        assert array.dtype.kind == "i", name
    assert frozen.arrays["context.fine/0.conv1.weight"].dtype == np.int16
    EntropyModel(json.loads(json.dumps(frozen.spec)), frozen.arrays)


def test_the_least_model_freezes() -> None:
    frozen = freeze(**arguments())
    assert frozen.arrays["embeddings"].tolist()[:2] == [[4096, 0], [0, 4096]]
    assert EntropyModel(frozen.spec, frozen.arrays).hyper_latents.names("adaptive") == ()


def test_a_network_that_could_overflow_is_refused_by_name() -> None:
    loud = [
        ("conv", np.ones((512, 6, 1, 1)), np.zeros(512), 1, (0, 0, 0, 0)),
        ("conv", np.full((4, 512, 1, 1), 2.0**13), np.zeros(4), 1, (0, 0, 0, 0)),
    ]
    networks = arguments()["context"] | {"medium": loud}
    with pytest.raises(
        ModelError, match=r"context\.medium\.conv1: sums may reach 2\^5\d\.\d, exact are 2\^50; train with"
    ):
        freeze(**arguments(context=networks))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"schedule": ("fine", "coarse", "medium")}, ModelError, "schedule"),
        ({"context": {}}, ModelError, "context.coarse"),
        ({"codebook": np.full((5, 2), np.nan)}, ModelError, "not finite"),
        ({"usage": np.ones((3, 6))}, ModelError, "do not belong together"),
        ({"form": "learned"}, ModelError, "needs the features"),
        ({"z_pmf": {"fine": np.ones((1, 63))}}, ModelError, "synthesis.fine"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        freeze(**arguments(**changes))
