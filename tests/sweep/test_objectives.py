"""Names of objectives and what is better."""

import pytest

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.summary import PointMean
from hvqcgic.sweep.objectives import dominates, metrics_of, numbers_of, parse_objectives, validation_names


def test_directions_follow_from_the_names() -> None:
    found = parse_objectives(["bpp", "lpips_alex", "psnr_db", "decode_s"])
    assert [objective.direction for objective in found] == ["minimize", "minimize", "maximize", "minimize"]
    assert metrics_of(found) == ("lpips_alex", "psnr_db")
    assert found[0].is_better(0.1, 0.2)
    assert found[2].is_better(30, 29)


@pytest.mark.parametrize(
    ("names", "said"),
    [([], "none"), (["bpp"], "bpp"), (["bpp", "bpp"], "bpp, bpp"), (["bpp", "lpips"], "did you mean lpips_")],
)
def test_what_no_sweep_can_have_is_refused(names: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_objectives(names)


def test_dominance_is_better_in_every_objective() -> None:
    pair = parse_objectives(["bpp", "psnr_db"])
    assert dominates((0.1, 30), (0.2, 29), pair)
    assert not dominates((0.1, 30), (0.1, 29), pair)
    assert not dominates((0.1, 28), (0.2, 29), pair)


def test_objectives_are_read_from_means() -> None:
    point = PointMean("jpeg", "quality=5", 2, 0, 0.25, 0.5, 0.75, {"dists": 0.1})
    assert numbers_of(point) == {"bpp": 0.25, "encode_s": 0.5, "decode_s": 0.75, "dists": 0.1}


def test_trainings_are_compared_only_where_validation_measures_all_objectives() -> None:
    pair = parse_objectives(["bpp", "lpips_alex"])
    assert validation_names(pair, "alex") == {"bpp": "val/adaptive_bpp", "lpips_alex": "val/lpips"}
    assert validation_names(pair, "none") is None
    assert validation_names(parse_objectives(["bpp", "dists"]), "alex") is None
