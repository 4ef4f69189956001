"""Drawings of boxes, arrows and words as SVG, in colours that are readable on light and dark paper."""

from __future__ import annotations

from html import escape

INK, PALE = "#7a8288", "#7a828833"
BLUE, ORANGE, GREEN, VIOLET = "#3b82c4", "#e0761f", "#2f9e6e", "#9467bd"
FONT = 'font-family="system-ui, sans-serif"'
LINE_PX = 15


class Drawing:
    """An SVG picture of a size in px, with boxes, arrows and words."""

    def __init__(self, width: int, height: int, title: str) -> None:
        """Args: width, height: in px; title: what it shows, for those who do not see it."""
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, *, colour: str = INK, fill: str = "none") -> None:
        """A rectangle."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" '
            f'fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'
        )

    def tile(self, x: float, y: float, width: float, height: float, *, colour: str, fill: str) -> None:
        """A rectangle with a thin line and sharp corners."""
        self.parts.append(
            f'<rect x="{x:.4g}" y="{y:.4g}" width="{width:.4g}" height="{height:.4g}" '
            f'fill="{fill}" stroke="{colour}" stroke-width="0.7"/>'
        )

    def ellipse(self, x: float, y: float, rx: float, ry: float, *, colour: str, fill: str) -> None:
        """An ellipse around a point."""
        self.parts.append(
            f'<ellipse cx="{x:g}" cy="{y:g}" rx="{rx:g}" ry="{ry:g}" fill="{fill}" stroke="{colour}" stroke-width="1"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 12,
        anchor: str = "middle",
        colour: str = INK,
        bold: bool = False,
    ) -> None:
        """Lines of words, the first with its baseline at y."""
        weight = ' font-weight="600"' if bold else ""
        for number, line in enumerate(words.split("\n")):
            self.parts.append(
                f'<text x="{x:g}" y="{y + LINE_PX * number:g}" text-anchor="{anchor}" font-size="{size}" '
                f'fill="{colour}"{weight} {FONT}>{escape(line)}</text>'
            )

    def labelled(self, x: float, y: float, width: float, height: float, words: str, *, colour: str = INK) -> None:
        """A box with lines of words in its middle."""
        self.box(x, y, width, height, colour=colour, fill=f"{colour}22")
        lines = words.count("\n") + 1
        self.text(x + width / 2, y + height / 2 + 4.5 - LINE_PX * (lines - 1) / 2, words, colour=colour)

    def arrow(self, *points: tuple[float, float], colour: str = INK, dashed: bool = False) -> None:
        """A line through points, with a head at the last."""
        path = " ".join(f"{'L' if number else 'M'}{x:g} {y:g}" for number, (x, y) in enumerate(points))
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>')
        (x0, y0), (x, y) = points[-2], points[-1]
        length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
        ux, uy = (x - x0) / length, (y - y0) / length
        left, right = (x - 7 * ux + 3.5 * uy, y - 7 * uy - 3.5 * ux), (x - 7 * ux - 3.5 * uy, y - 7 * uy + 3.5 * ux)
        corners = " ".join(f"{a:g},{b:g}" for a, b in ((x, y), left, right))
        self.parts.append(f'<polygon points="{corners}" fill="{colour}"/>')

    def svg(self) -> str:
        """The file."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}"'
        body = "\n".join(self.parts)
        title = escape(self.title)
        return f'{head} role="img" aria-label="{title}">\n<title>{title}</title>\n{body}\n</svg>\n'
