import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hvqcgic.evaluation.bd_table import BdRates, bd_rate_table, bd_rates, write_bd_rates
from hvqcgic.evaluation.curves import Curves, read_curves
from hvqcgic.evaluation.rate_distortion import CurveError, compare_rate
from tests.evaluation.run_folder import make_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    far = path / "far.json"
    points = [{"bpp": 0.1 * k, "psnr": 90 + k} for k in range(1, 5)]
    far.write_text(json.dumps({"name": "far", "metric_notes": "", "points": points}))
    make_run(path, published=[str(far)])
    return path


@pytest.fixture(scope="module")
def rates(folder: Path) -> BdRates:
    return write_bd_rates(folder, generator=np.random.default_rng(0), draws=10)


def test_every_pair_is_there_and_right(folder: Path, rates: BdRates) -> None:
    jpeg, webp, _ = read_curves(folder).curves
    found = {(entry.anchor, entry.test): entry for entry in rates.entries}
    assert len(found) == 6
    expected = compare_rate(jpeg.bpp, jpeg.metrics["psnr_db"], webp.bpp, webp.metrics["psnr_db"])
    difference, back = found["jpeg", "webp"].difference, found["webp", "jpeg"].difference
    assert difference is not None
    assert back is not None
    assert difference.value == expected.value
    assert (1 + difference.value / 100) * (1 + back.value / 100) == pytest.approx(1)
    assert difference.interval is not None
    assert back.interval is None
    assert "no common qualities" in found["jpeg", "far (published)"].reason


def test_the_file_holds_what_was_found(folder: Path, rates: BdRates) -> None:
    kept = json.loads((folder / "bd_rates.json").read_text())
    assert (kept["anchor"], kept["draws"]) == ("jpeg", 10)
    assert kept["entries"] == json.loads(json.dumps([entry.to_dict() for entry in rates.entries]))


def test_the_table_shows_value_interval_and_overlap(rates: BdRates, capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=120).print(bd_rate_table(rates))
    shown = capsys.readouterr().out
    difference = rates.entries[0].difference
    assert difference is not None
    for text in (f"{difference.value:+.1f} %", f"{difference.low:.4g} to {difference.high:.4g}", "no overlap", "jpeg"):
        assert text in shown


def test_refusals(folder: Path) -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(CurveError, match=r"anchor 'png' is not among the codecs of this run: jpeg, webp, far"):
        bd_rates(read_curves(folder), "png", generator=generator)
    with pytest.raises(CurveError, match="no codec has a point"):
        bd_rates(Curves((), (), (), {}, ()), generator=generator)
