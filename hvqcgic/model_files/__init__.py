"""Model files: the format, the registry of bundled models, frozen models and reverse paths in memory.

In: a name or path, or the weights and tables of a trained model. Out: a `FrozenModel`, or its file.
May import: `models`, `entropy`, `files`, `schema`, `errors`; the registry itself runs without torch.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.model_files.frozen_model import FrozenModel as FrozenModel
    from hvqcgic.model_files.frozen_model import FrozenProxy as FrozenProxy
    from hvqcgic.model_files.frozen_model import config_of as config_of
    from hvqcgic.model_files.frozen_model import frozen_proxy as frozen_proxy
    from hvqcgic.model_files.frozen_model import network_weights as network_weights
    from hvqcgic.model_files.frozen_model import read_model as read_model
    from hvqcgic.model_files.frozen_model import write_model as write_model
    from hvqcgic.model_files.registry import MODEL_SUFFIX as MODEL_SUFFIX
    from hvqcgic.model_files.registry import RECORD_KEY as RECORD_KEY
    from hvqcgic.model_files.registry import REVERSE_ENDING as REVERSE_ENDING
    from hvqcgic.model_files.registry import REVERSE_OF as REVERSE_OF
    from hvqcgic.model_files.registry import ModelSummary as ModelSummary
    from hvqcgic.model_files.registry import bundled_models as bundled_models
    from hvqcgic.model_files.registry import bundled_name as bundled_name
    from hvqcgic.model_files.registry import check_offered as check_offered
    from hvqcgic.model_files.registry import check_reverse as check_reverse
    from hvqcgic.model_files.registry import find_model as find_model
    from hvqcgic.model_files.registry import find_reverse as find_reverse
    from hvqcgic.model_files.registry import read_reverse_summary as read_reverse_summary
    from hvqcgic.model_files.registry import read_summary as read_summary
    from hvqcgic.model_files.registry import retired_models as retired_models
    from hvqcgic.model_files.registry import reverse_file_of as reverse_file_of
    from hvqcgic.model_files.registry import successor_of as successor_of
    from hvqcgic.model_files.reverse_file import FrozenReverse as FrozenReverse
    from hvqcgic.model_files.reverse_file import freeze_reverse as freeze_reverse
    from hvqcgic.model_files.reverse_file import read_reverse as read_reverse
    from hvqcgic.model_files.reverse_file import write_reverse as write_reverse
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "frozen_model": [
                "FrozenModel",
                "FrozenProxy",
                "config_of",
                "frozen_proxy",
                "network_weights",
                "read_model",
                "write_model",
            ],
            "registry": [
                "MODEL_SUFFIX",
                "ModelSummary",
                "RECORD_KEY",
                "REVERSE_ENDING",
                "REVERSE_OF",
                "bundled_models",
                "bundled_name",
                "check_offered",
                "check_reverse",
                "find_model",
                "find_reverse",
                "read_reverse_summary",
                "read_summary",
                "retired_models",
                "reverse_file_of",
                "successor_of",
            ],
            "reverse_file": ["FrozenReverse", "freeze_reverse", "read_reverse", "write_reverse"],
        },
    )
