"""Granularities, and the order in which their cells are coded, shared by the networks and the entropy coder.

A schedule is a list of pass names. Each granularity is coded in one pass, in two colours of a checkerboard, or in four
phases:

    1 pass      2 passes    4 passes
    0 0 0 0     0 1 0 1     0 2 0 2
    0 0 0 0     1 0 1 0     3 1 3 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hvqcgic.errors import ConfigError

GRANULARITIES: tuple[str, ...] = ("coarse", "medium", "fine")
"""Granularities in coding order, which is also their order in arrays."""

CELL_PX = {"coarse": 16, "medium": 8, "fine": 4}
"""Side of a granularity's cells, in pixels."""

MEANS = "means"
"""Name of local means among the hyper-latents, beside the granularities."""

PHASE_OFFSETS = ((0, 0), (1, 1), (0, 1), (1, 0))
"""(row % 2, column % 2) of the four phases, in coding order."""


@dataclass(frozen=True)
class Pass:
    """Cells that are coded together: all of a granularity, one colour of its checkerboard, or one of its four phases.

    Attributes:
        name: as in the schedule, such as "fine/2".
        granularity: of its cells.
        phase: number of the phase, from 0.
        phases: number of phases of the granularity: 1, 2 or 4.
    """

    name: str
    granularity: str
    phase: int
    phases: int

    @property
    def offset(self) -> tuple[int, int]:
        """(row, column) of the first cell of a pass with four phases."""
        return PHASE_OFFSETS[self.phase]

    @property
    def tile(self) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
        """The pass's positions, `tile[row % 2][column % 2]`, whether or not they hold a cell."""
        return (self._holds(0, 0), self._holds(0, 1)), (self._holds(1, 0), self._holds(1, 1))

    def _holds(self, row: int, column: int) -> bool:
        if self.phases == 4:
            return (row, column) == self.offset
        return self.phases == 1 or (row + column) % 2 == self.phase


def parse_schedule(names: Sequence[str]) -> tuple[Pass, ...]:
    """Parse a schedule such as ["coarse", "medium/0", "medium/1", "fine/0", "fine/1", "fine/2", "fine/3"] into passes.

    Raises:
        ConfigError: the names are not coarse, medium, fine in this order, each once or in 2 or 4 numbered phases.
    """
    passes: list[Pass] = []
    for granularity in GRANULARITIES:
        phases = sum(str(name).split("/")[0] == granularity for name in names)
        labels = [granularity] if phases == 1 else [f"{granularity}/{phase}" for phase in range(phases)]
        if phases in (1, 2, 4):
            passes += [Pass(label, granularity, phase, phases) for phase, label in enumerate(labels)]
    if [step.name for step in passes] != list(names) or {step.granularity for step in passes} != set(GRANULARITIES):
        raise ConfigError(
            f"schedule {list(names)}: coarse, medium and fine, in this order, each need one pass, or phases /0 /1, "
            'or /0 to /3, such as ["coarse", "medium/0", "medium/1", "fine/0", "fine/1"]'
        )
    return tuple(passes)
