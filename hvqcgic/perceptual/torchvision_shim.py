"""Makes torchvision importable with a build of torch that cannot load torchvision's compiled operators."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

import torch

# Libraries stay registered only while an object holds them.
_LIBRARIES: list[torch.library.Library] = []

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def import_torchvision() -> ModuleType:
    """Import torchvision; if its operator library is unusable, declare the two operators that its import needs.

    A torchvision wheel for CUDA cannot load its compiled operators with a CPU build of torch. Its import then fails,
    because it registers fake kernels for `torchvision::nms` and `torchvision::qnms`. With the two schemas declared, the
    import succeeds. Networks need neither operator; only box operators stay unusable.

    Returns:
        the module torchvision.
    Raises:
        ImportError: torchvision is not installed, or fails to import for another reason.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise ImportError(f"torchvision cannot be imported: {error}") from error
        _declare_operators()
        return importlib.import_module("torchvision")


def _declare_operators() -> None:
    """Declare the operators once; they have no kernels and fail when called."""
    if _LIBRARIES:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _LIBRARIES.append(library)
