"""Style and scripts that every page begins with."""

from importlib import resources

SCRIPTS = ("elements.js", "stage.js")
"""Scripts in `assets`, in the order in which a page loads them, before its own."""
STYLE_SHEET = "base.css"
"""Style in `assets`, before that of a page."""


def asset(name: str, room: str = "pages") -> str:
    """Read a style sheet, script or template.

    Args:
        name: of the file.
        room: that has it in its folder `assets`.
    """
    return resources.files(f"hvqcgic.{room}").joinpath("assets", name).read_text(encoding="utf-8")
