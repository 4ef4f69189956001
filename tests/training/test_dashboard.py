"""Charts and pictures of the dashboard."""

from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData  # pyright: ignore[reportAttributeAccessIssue]
from torch.utils.tensorboard import SummaryWriter

from hvqcgic.pictures.drawing import granularity_overlay, heat_map
from hvqcgic.training.charts import (
    BATCH,
    CODINGS,
    FILES,
    LINES,
    RESULTS,
    ChartLogger,
    add_hparams,
    training_params,
)
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.dashboard import strip
from tests.small_map import BITS, MASKS


def test_strips_put_images_of_any_height_side_by_side() -> None:
    images = [torch.zeros(3, 4, 5), torch.full((3, 7, 2), 0.5)]
    image = strip(images)
    assert image.shape == (3, 7, 5 + 8 + 2)
    assert bool((image[:, 4:, :5] == 1).all())
    assert bool((image[:, :, 5:13] == 1).all())
    assert bool((image[:, :, 13:] == 0.5).all())


def test_a_strip_of_an_odd_sized_picture_goes_to_tensorboard(tmp_path: object) -> None:
    picture = torch.rand(3, 13, 27, generator=torch.Generator().manual_seed(0), requires_grad=True)
    heat = heat_map(MASKS, BITS, top_bits=10.0)[:, :13, :27]
    image = strip([picture, picture, granularity_overlay(MASKS, picture), heat])
    assert image.shape == (3, 13, 4 * 27 + 3 * 8)
    assert torch.equal(image[:, :, :27], picture.detach())
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_image("validation/00", image, 0)


def test_codings_are_lines_of_one_chart(tmp_path: Path) -> None:
    _log(tmp_path, range(3), steps_taken=0)
    _log(tmp_path, range(2, 4), steps_taken=2)  # goes on from step 2, which is charted once
    found = {
        str(path.relative_to(tmp_path)): EventAccumulator(str(path)).Reload()
        for path in (tmp_path / "joint", *(tmp_path / "joint" / coding for coding in CODINGS))
    }
    assert {name: set(events.Tags()["scalars"]) for name, events in found.items()} == {
        "joint": {"loss/total"},
        "joint/adaptive": {f"{BATCH}/bpp", f"{BATCH}/saving_percent", f"{BATCH}/z_percent"},
        "joint/static-arithmetic": {f"{BATCH}/bpp"},
        "joint/static-huffman": {f"{BATCH}/bpp"},
    }
    for coding, bpp in zip(CODINGS, (0.2, 0.3, 0.4), strict=True):
        points = found[f"joint/{coding}"].Scalars(f"{BATCH}/bpp")
        assert [(point.step, round(point.value, 6)) for point in points] == [(step, bpp) for step in range(4)]


def test_the_codings_begin_in_the_order_of_their_colours(tmp_path: Path) -> None:
    _log(tmp_path, range(1), steps_taken=0)
    folders = (tmp_path / "joint", *(tmp_path / "joint" / coding for coding in CODINGS))
    begins = [float(EventAccumulator(str(folder)).Reload().FirstEventTimestamp() or 0) for folder in folders]
    assert begins == sorted(begins)
    assert len(set(begins)) == len(begins)


def test_the_first_group_of_charts_is_the_bits() -> None:
    assert {line.tag.partition("/")[0] for line in LINES.values()} == {BATCH, FILES}
    assert all(group < other for group in (BATCH, FILES) for other in ("check", "codebook", "loss", "quality", "val"))


def test_parameters_of_a_training_are_a_row_of_hparams(tmp_path: Path) -> None:
    params = training_params(TrainingConfig(lmbda=0.03), "joint", (0.5, 0.4, 0.1))
    assert list(params)[:5] == ["lambda", "fine", "medium", "coarse", "learning rate"]
    with SummaryWriter(str(tmp_path)) as writer:
        add_hparams(writer, "a row", params, RESULTS)
    events = EventAccumulator(str(tmp_path)).Reload()
    row, table = (
        HParamsPluginData.FromString(events.SummaryMetadata(f"_hparams_/{part}").plugin_data.content)
        for part in ("session_start_info", "experiment")
    )
    headings = {info.name: info.display_name for info in table.experiment.hparam_infos}
    assert sorted(headings) == list(headings)
    values = {headings[name]: value for name, value in row.session_start_info.hparams.items()}
    assert {name: values[name].number_value for name in ("lambda", "fine", "medium", "coarse")} == {
        "lambda": 0.03,
        "fine": 0.5,
        "medium": 0.4,
        "coarse": 0.1,
    }
    results = [(info.name.group, info.name.tag) for info in table.experiment.metric_infos]
    assert ("adaptive", f"{FILES}/bpp") in results
    assert ("", "val/lpips") in results


def _log(folder: Path, steps: range, *, steps_taken: int) -> None:
    """Charts of a training that goes through some steps and ends."""
    logger = ChartLogger(folder, "joint", steps_taken=steps_taken)
    assert logger.experiment is not None
    for step in steps:
        values = {"rate/static_huffman_bpp": 0.4, "rate/adaptive_bpp": 0.2, "rate/static_arithmetic_bpp": 0.3}
        values |= {"rate/saving_percent": 33.0, "rate/z_percent": 1.0, "loss/total": 1.0, "epoch": 0.0}
        logger.log_metrics(values, step)
        logger.save()
    logger.finalize("success")
