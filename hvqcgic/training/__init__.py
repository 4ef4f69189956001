"""Training: pictures, losses, bit rate, stages, checkpoints, and export to model files.

In: pictures and a configuration. Out: checkpoints, TensorBoard files, a frozen model.
May import: everything but `evaluation`, `sweep` and `scale`.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from hvqcgic import lazy_exports
from hvqcgic.perceptual import import_torchvision

if TYPE_CHECKING:
    from hvqcgic.training.bundled_tables import table_name as table_name
    from hvqcgic.training.cached_pictures import CachedStream as CachedStream
    from hvqcgic.training.charts import TENSORBOARD_QUERY as TENSORBOARD_QUERY
    from hvqcgic.training.charts import HparamsResult as HparamsResult
    from hvqcgic.training.charts import add_hparams as add_hparams
    from hvqcgic.training.charts import ratio_params as ratio_params
    from hvqcgic.training.checkpoints import stage_of as stage_of
    from hvqcgic.training.cli import main as main
    from hvqcgic.training.cli import make_module as make_module
    from hvqcgic.training.cli import make_pictures as make_pictures
    from hvqcgic.training.cli import run_training as run_training
    from hvqcgic.training.config import TrainingConfig as TrainingConfig
    from hvqcgic.training.crop_stream import CropStream as CropStream
    from hvqcgic.training.data import PictureDataModule as PictureDataModule
    from hvqcgic.training.export import check_half_precision as check_half_precision
    from hvqcgic.training.export import freeze_model as freeze_model
    from hvqcgic.training.export import load_module as load_module
    from hvqcgic.training.export import pictures_to_check as pictures_to_check
    from hvqcgic.training.module import HvqModule as HvqModule
    from hvqcgic.training.options import parse_options as parse_options
    from hvqcgic.training.proxy_export import export_proxy as export_proxy
    from hvqcgic.training.rate import HyperLatentPriors as HyperLatentPriors
    from hvqcgic.training.rate import estimate_rate as estimate_rate
    from hvqcgic.training.ratios import draw_ratios as draw_ratios
    from hvqcgic.training.reverse_export import export_reverse as export_reverse
    from hvqcgic.training.sources import EMBEDDED_TRAIN as EMBEDDED_TRAIN
    from hvqcgic.training.sources import EMBEDDED_VAL as EMBEDDED_VAL
    from hvqcgic.training.sources import find_shards as find_shards
    from hvqcgic.training.stages import Machine as Machine
    from hvqcgic.training.stages import make_trainer as make_trainer
    from hvqcgic.training.stages import quiet_lightning as quiet_lightning
    from hvqcgic.training.stages import run_stage as run_stage
    from hvqcgic.training.starts import start_from as start_from
    from hvqcgic.training.thaw import thawed_checkpoint as thawed_checkpoint
    from hvqcgic.training.validation import measure as measure
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "cached_pictures": ["CachedStream"],
            "charts": ["TENSORBOARD_QUERY", "HparamsResult", "add_hparams", "ratio_params"],
            "checkpoints": ["stage_of"],
            "cli": ["main", "make_module", "make_pictures", "run_training"],
            "config": ["TrainingConfig"],
            "crop_stream": ["CropStream"],
            "data": ["PictureDataModule"],
            "export": ["check_half_precision", "freeze_model", "load_module", "pictures_to_check"],
            "reverse_export": ["export_reverse"],
            "proxy_export": ["export_proxy"],
            "module": ["HvqModule"],
            "options": ["parse_options"],
            "rate": ["HyperLatentPriors", "estimate_rate"],
            "ratios": ["draw_ratios"],
            "bundled_tables": ["table_name"],
            "sources": ["EMBEDDED_TRAIN", "EMBEDDED_VAL", "find_shards"],
            "stages": ["Machine", "make_trainer", "quiet_lightning", "run_stage"],
            "starts": ["start_from"],
            "thaw": ["thawed_checkpoint"],
            "validation": ["measure"],
        },
    )

# Lightning, lpips and compressai import torchvision in different ways, so torchvision is made importable first.
with suppress(ImportError):
    import_torchvision()
