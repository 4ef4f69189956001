"""A fixture with intermediate results of the published code, and the comparison with our results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_gic_checkpoint import STATE_PREFIX
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hvqcgic.errors import ModelError
from hvqcgic.files import one_line, reason


@dataclass(frozen=True)
class Comparison:
    """Comparison of one tensor of the fixture with ours.

    Attributes:
        case: of the fixture.
        what: the tensor's name.
        difference: the largest difference, or the number of different elements if they must be equal; None for
            different shapes.
        limit: largest allowed difference; 0 if elements must be equal.
        size: number of compared elements.
    """

    case: str
    what: str
    difference: float | None
    limit: float
    size: int

    @property
    def passed(self) -> bool:
        """Whether the difference is within its limit; NaN is not."""
        return self.difference is not None and self.difference <= self.limit


@dataclass(frozen=True)
class Report:
    """Results of a comparison.

    Attributes:
        comparisons: in the order of the network.
        absent: tensors of this fixture layout that the fixture lacks.
        unknown: tensors of the fixture that are not known here.
    """

    comparisons: tuple[Comparison, ...]
    absent: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there is at least one comparison and all are within their limits."""
        return bool(self.comparisons) and all(found.passed for found in self.comparisons)


@dataclass(frozen=True)
class Fixture:
    """A parity fixture: tensors by name and metadata, decoded."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, Any]

    def describe(self, prefix: str) -> dict[str, Any]:
        """Return the metadata of the case with a prefix, such as "case2/"; the first case has no prefix and is "case1".

        Raises:
            ModelError: there are no metadata, or no ratios in them.
        """
        name = prefix.strip("/") or "case1"
        found = self.metadata.get(name)
        if not isinstance(found, dict) or not {"ratios", "router_ratios_coarse_medium_fine"} & found.keys():
            raise ModelError(f"{self.path}: its metadata do not give the ratios of {name}")
        return found

    def shares(self, prefix: str) -> dict[str, float]:
        """The shares of medium and coarse cells of a case, bit for bit as in the published code."""
        about = self.describe(prefix)
        if (exact := about.get("router_ratios_coarse_medium_fine")) is not None:
            return {"medium": float(exact[1]), "coarse": float(exact[0])}
        order = [name.strip() for name in str(self.metadata.get("ratio_order", "fine, medium, coarse")).split(",")]
        ratios = dict(zip(order, about["ratios"], strict=False))
        if not {"medium", "coarse"} <= ratios.keys():
            raise ModelError(f"{self.path}: ratios {about['ratios']} in the order {order}: expected three of each")
        return {"medium": float(ratios["medium"]), "coarse": float(ratios["coarse"])}


def read_fixture(path: Path) -> Fixture:
    """Read a fixture.

    Raises:
        ModelError: it cannot be read, or is no fixture.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = {key: _decoded(text) for key, text in (file.metadata() or {}).items()}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ModelError(f"{path}: the fixture cannot be read: {reason(error)}") from error
    except SafetensorError as error:
        raise ModelError(f"{path}: no safetensors file, damaged or cut short ({one_line([error])})") from error
    if not any(name.startswith(STATE_PREFIX) for name in tensors) or not any(map(is_image, tensors)):
        raise ModelError(f"{path}: no parity fixture: it needs {STATE_PREFIX}* and input/image")
    for name in ("channel_config", "codebook", "router"):
        if not isinstance(metadata.get(name, {}), dict):
            raise ModelError(f"{path}: its metadata {name} are no JSON object")
    return Fixture(path, tensors, metadata)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def is_image(name: str) -> bool:
    """Whether a tensor is the picture of a case."""
    return name == "input/image" or name.endswith("/input/image")


class Comparer:
    """Collects comparisons of our tensors with the tensors of a fixture, and the names of compared tensors."""

    def __init__(self, fixture: Fixture) -> None:
        """Args: fixture: results of the published code."""
        self.fixture = fixture
        self.found: list[Comparison] = []
        self.asked: set[str] = set()

    def compare(self, case: str, name: str, ours: Tensor, *, limit: float = 0.0, label: str | None = None) -> None:
        """Compare with the tensor of a name, if the fixture has it; limit 0 requires equal elements."""
        self.asked.add(name)
        if name not in self.fixture.tensors:
            return
        theirs = self.fixture.tensors[name]
        difference = None
        if theirs.numel() == ours.numel() == 0:
            difference = 0.0
        elif theirs.shape == ours.shape:
            difference = float((ours != theirs).sum()) if limit == 0 else float((ours - theirs).abs().max())
        self.found.append(Comparison(case, label or name.split("expect/")[-1], difference, limit, theirs.numel()))

    def compare_number(self, case: str, what: str, ours: float, theirs: object, *, limit: float = 0.0) -> None:
        """Compare with a number of the metadata, if there is one."""
        if isinstance(theirs, int | float):
            self.found.append(Comparison(case, what, abs(ours - theirs), limit, 1))

    def report(self) -> Report:
        """Return all comparisons and the tensors that were not compared."""
        known = self.fixture.tensors.keys()
        read = {name for name in known if name.startswith(STATE_PREFIX) or is_image(name)}
        return Report(tuple(self.found), tuple(sorted(self.asked - known)), tuple(sorted(known - self.asked - read)))
