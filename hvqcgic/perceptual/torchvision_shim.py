"""Makes torchvision importable beside a build of torch that its compiled operators cannot load with."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

import torch

# Libraries stay registered only as long as an object holds them.
_LIBRARIES: list[torch.library.Library] = []

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def import_torchvision() -> ModuleType:
    """Import torchvision; where its operator library is unusable, declare the two operators that its import needs.

    A torchvision wheel for CUDA beside a CPU torch cannot load its compiled operators, and then fails at import
    because it registers fake kernels for `torchvision::nms` and `torchvision::qnms`. Networks need neither: with the
    two schemas declared the import succeeds, and only box operators stay unusable.

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
    """Declare the operators once; without kernels they fail only when they are called."""
    if _LIBRARIES:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _LIBRARIES.append(library)
