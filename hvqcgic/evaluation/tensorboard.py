"""TensorBoard scalars of a run against bpp, so that the curves of adaptive and static coding overlay each other.

Each codec is a run of TensorBoard, and each metric is a chart `rate/METRIC`. The step of a point is its rate in units
of 1/10000 bpp: 0.3391 bpp is step 3391.
"""

from __future__ import annotations

import math
from pathlib import Path

from hvqcgic.errors import OutputError
from hvqcgic.evaluation.curves import read_curves
from hvqcgic.evaluation.results import slug
from hvqcgic.files import reason

STEPS_PER_BPP = 10_000


def write_tensorboard(folder: Path) -> Path:
    """Write DIR/tensorboard from the results in DIR, and replace the output of an earlier call.

    Returns:
        the folder for `tensorboard --logdir`.
    Raises:
        ConfigError: there are no results in the folder.
        OutputError: the folder cannot be written.
    """
    from torch.utils.tensorboard.writer import SummaryWriter

    curves = read_curves(folder)
    target = folder / "tensorboard"
    try:
        for old in target.glob("*/events.out.tfevents.*"):
            old.unlink()
        for curve in curves.curves:
            with SummaryWriter(target / slug(curve.codec)) as writer:
                for metric, values in curve.metrics.items():
                    for bpp, value in zip(curve.rates(metric), values, strict=True):
                        if math.isfinite(value):
                            writer.add_scalar(f"rate/{metric}", value, round(STEPS_PER_BPP * bpp))
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {reason(error)}") from error
    return target
