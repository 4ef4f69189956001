"""The profile of a training: its parts make up the step, and variants are measured beside one another."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from tests.random_model import save_random_pictures, small_config
from tools.bench_training import REST, WHOLE, main


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_pictures(tmp_path_factory.mktemp("pictures"), 2)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A small training, measured for a few steps."""
    folder = tmp_path_factory.mktemp("bench")
    config = folder / "small.yaml"
    model = json.loads(json.dumps(dataclasses.asdict(small_config())))
    config.write_text(yaml.safe_dump({"model": model, "perceptual": "none", "accelerator": "cpu"}))
    return ["--config", str(config), "--stage", "backbone", "--steps", "3", "--warm-up", "1", "--rounds", "2"]


def options(given: list[str], pictures: Path) -> list[str]:
    small = ["--pictures.crop_px", "64", "--pictures.batch_size", "2", "--training.codebook_start", "2"]
    return [*given, "--data", str(pictures), "--val", str(pictures), *small]


def test_parts_make_up_a_step_and_variants_are_held_against_the_first(
    given: list[str], pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variant = "--pictures.batch_size 4 --training.ema_decay 0.9"
    assert main([*options(given, pictures), "--json", "--variant", variant]) == 0
    plain, larger = json.loads(capsys.readouterr().out)
    assert (plain["name"], larger["name"]) == ("as given", variant)
    for profile, batch in ((plain, 2), (larger, 4)):
        ms = profile["ms"]
        assert profile["images_per_second"] == pytest.approx(1000 * batch / ms[WHOLE])
        for part in ("data", "encoder, forward", "decoder, forward", "backward", "optimiser", "codebook"):
            assert 0 < ms[part] < ms[WHOLE]
        assert ms["LPIPS, forward"] == ms["entropy networks, forward"] == 0
        assert 0 < ms[REST] < ms[WHOLE]
        # Medians of parts need not add up to the median of the whole, but nearly do.
        assert sum(value for part, value in ms.items() if part != WHOLE) == pytest.approx(ms[WHOLE], rel=0.5)


@pytest.mark.parametrize(
    ("more", "said"),
    [(["--stage", "all"], "a profile is of one stage"), (["--training.stepz", "1"], "stepz")],
)
def test_refusals_are_one_line(
    given: list[str], pictures: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main([*options(given, pictures), *more]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("bench_training: ")
    assert said in line
