"""Evaluation: codecs behind one interface, metrics, rate-distortion curves, BD-rates, the report.

In: pictures, codecs with their operating points, names of metrics. Out: rows of values, curves, plots, a report.
May import: everything but `training`, `sweep` and `scale`.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.evaluation.bd_table import BOOTSTRAP_DRAWS as BOOTSTRAP_DRAWS
    from hvqcgic.evaluation.bd_table import BdEntry as BdEntry
    from hvqcgic.evaluation.bd_table import bd_rates as bd_rates
    from hvqcgic.evaluation.cli import main as main
    from hvqcgic.evaluation.codecs.base import PictureCodec as PictureCodec
    from hvqcgic.evaluation.codecs.pillow_codec import Avif as Avif
    from hvqcgic.evaluation.codecs.pillow_codec import Jpeg as Jpeg
    from hvqcgic.evaluation.codecs.pillow_codec import PillowCodec as PillowCodec
    from hvqcgic.evaluation.codecs.pillow_codec import WebP as WebP
    from hvqcgic.evaluation.curves import curves_of as curves_of
    from hvqcgic.evaluation.metrics import METRICS as METRICS
    from hvqcgic.evaluation.metrics.base import Metric as Metric
    from hvqcgic.evaluation.metrics.base import MetricOptions as MetricOptions
    from hvqcgic.evaluation.metrics.base import Picture as Picture
    from hvqcgic.evaluation.metrics.niqe import BUNDLED as BUNDLED
    from hvqcgic.evaluation.pictures import Source as Source
    from hvqcgic.evaluation.pictures import picture_names as picture_names
    from hvqcgic.evaluation.pictures import prepare as prepare
    from hvqcgic.evaluation.plots import STYLE as STYLE
    from hvqcgic.evaluation.plots import save_figure as save_figure
    from hvqcgic.evaluation.published import read_json as read_json
    from hvqcgic.evaluation.rate_distortion import compare_rate as compare_rate
    from hvqcgic.evaluation.rate_distortion import lower_is_better as lower_is_better
    from hvqcgic.evaluation.results import Row as Row
    from hvqcgic.evaluation.results import Run as Run
    from hvqcgic.evaluation.results import metric_names as metric_names
    from hvqcgic.evaluation.results import read_rows as read_rows
    from hvqcgic.evaluation.results import read_run as read_run
    from hvqcgic.evaluation.results import row_from_json as row_from_json
    from hvqcgic.evaluation.results import stream_path as stream_path
    from hvqcgic.evaluation.runner import Outcome as Outcome
    from hvqcgic.evaluation.runner import Plan as Plan
    from hvqcgic.evaluation.runner import collect as collect
    from hvqcgic.evaluation.runner import make_plan as make_plan
    from hvqcgic.evaluation.runner import run_jobs as run_jobs
    from hvqcgic.evaluation.runner import to_do as to_do
    from hvqcgic.evaluation.spec import CodecSpec as CodecSpec
    from hvqcgic.evaluation.spec import parse_specs as parse_specs
    from hvqcgic.evaluation.summary import PointMean as PointMean
    from hvqcgic.evaluation.summary import means as means
    from hvqcgic.evaluation.summary import summary_table as summary_table
    from hvqcgic.evaluation.work import Job as Job
    from hvqcgic.evaluation.work import failed_row as failed_row
    from hvqcgic.evaluation.work import forget_codecs as forget_codecs
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "bd_table": ["BOOTSTRAP_DRAWS", "BdEntry", "bd_rates"],
            "cli": ["main"],
            "codecs.base": ["PictureCodec"],
            "codecs.pillow_codec": ["Avif", "Jpeg", "PillowCodec", "WebP"],
            "curves": ["curves_of"],
            "metrics": ["METRICS"],
            "metrics.base": ["Metric", "MetricOptions", "Picture"],
            "metrics.niqe": ["BUNDLED"],
            "pictures": ["Source", "picture_names", "prepare"],
            "plots": ["STYLE", "save_figure"],
            "published": ["read_json"],
            "rate_distortion": ["compare_rate", "lower_is_better"],
            "results": ["Row", "Run", "metric_names", "read_rows", "read_run", "row_from_json", "stream_path"],
            "runner": ["Outcome", "Plan", "collect", "make_plan", "run_jobs", "to_do"],
            "spec": ["CodecSpec", "parse_specs"],
            "summary": ["PointMean", "means", "summary_table"],
            "work": ["Job", "failed_row", "forget_codecs"],
        },
    )
