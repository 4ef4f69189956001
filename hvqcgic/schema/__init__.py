"""One check of all that is read as settings: frozen dataclasses whose fields declare types and ranges.

In: JSON text, mappings from files, YAML and checkpoints. Out: a dataclass that holds what it declares, or an error.
May import: `errors` and the standard library only.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.schema.fields import build as build
    from hvqcgic.schema.fields import check as check
    from hvqcgic.schema.fields import number as number
    from hvqcgic.schema.fields import shown as shown
    from hvqcgic.schema.json_text import MOST_DEPTH as MOST_DEPTH
    from hvqcgic.schema.json_text import parse_json as parse_json
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {"fields": ["build", "check", "number", "shown"], "json_text": ["MOST_DEPTH", "parse_json"]},
    )
