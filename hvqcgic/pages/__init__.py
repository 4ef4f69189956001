"""What the pages of this project share: names of metrics, colours, style, and the stage with its divider.

In: the name of a file in `assets`. Out: its text; display names and colours.
May import: the standard library only.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.pages.names import COLOURS as COLOURS
    from hvqcgic.pages.names import in_order as in_order
    from hvqcgic.pages.names import metric_label as metric_label
    from hvqcgic.pages.shared import SCRIPTS as SCRIPTS
    from hvqcgic.pages.shared import STYLE_SHEET as STYLE_SHEET
    from hvqcgic.pages.shared import asset as asset
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {"names": ["COLOURS", "in_order", "metric_label"], "shared": ["SCRIPTS", "STYLE_SHEET", "asset"]},
    )
