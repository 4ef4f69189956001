from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hvqcgic.evaluation.curves import read_curves
from hvqcgic.evaluation.tensorboard import write_tensorboard
from tests.evaluation.run_folder import make_run


def test_codecs_lie_over_each_other_in_one_chart_against_bpp(tmp_path: Path) -> None:
    make_run(tmp_path)
    write_tensorboard(tmp_path)
    folder = write_tensorboard(tmp_path)
    for curve in read_curves(tmp_path).curves:
        events = EventAccumulator(str(folder / curve.codec)).Reload()
        assert events.Tags()["scalars"] == ["rate/psnr_db"]
        scalars = events.Scalars("rate/psnr_db")
        assert [event.step for event in scalars] == [round(10_000 * bpp) for bpp in curve.bpp]
        assert [event.value for event in scalars] == pytest.approx(curve.metrics["psnr_db"].tolist(), rel=1e-6)
