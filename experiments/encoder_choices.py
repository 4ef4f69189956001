"""What an encoder's choices are worth for one model: ratio paths, eta, granularity, refined features.

    python experiments/encoder_choices.py PICTURES... --out FOLDER [--model tiny] [--choices +eta=0.1 +rd ...]

Every choice is coded at the same places of its ratio path; the table gives its BD-rate against the model as it is: per
cent of bytes at equal quality, below 0 fewer. The choices were made on validation pictures, never on Kodak.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import common

from hvqcgic.pages import metric_label
from hvqcgic.rate_control import DEFAULT, PATHS

CHOICES = (
    *(f"+{path}" for path in PATHS if path != DEFAULT),
    *("+eta=0.03", "+eta=0.1", "+eta=0.3", "+rd", "+rd+eta=0.1", "+refine=10", "+refine=10+eta=0.1"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluates and prints the tables."""
    parser = common.parser(__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--choices", nargs="+", default=list(CHOICES), metavar="+OPTION")
    parser.add_argument("--points", default="path=0.1..0.9:5", help="places on the ratio path (%(default)s)")
    parser.add_argument("--metrics", nargs="+", default=["lpips_alex", "lpips_squeeze", "psnr_db"], metavar="NAME")
    options = parser.parse_args(arguments)
    model = f"hvqcgic:{options.model}"
    plain = f"{model}+entropy"
    labels = [plain, *((model if choice.startswith("+rd") else plain) + choice for choice in options.choices)]
    done = common.evaluate(options, [f"{label}@{options.points}" for label in labels], metrics=options.metrics)
    compared = common.compare(done, plain)
    rows = [{"choice": label.removeprefix(model)} | compared.get(label, {}) for label in labels[1:]]
    points = [
        {"codec": point.codec.removeprefix("hvqcgic:"), "place": point.point.partition("=")[2]}
        | {"bpp": round(point.bpp, 4)}
        | {metric_label(name): round(value, 4) for name, value in point.metrics.items()}
        for point in done.means
    ]
    common.show(points, title="Points", path=options.out / "points.json")
    notes = [f"{plain} is as on path {DEFAULT}, eta 0, entropy order, not refined.", *compared.notes]
    common.show(rows, title="BD-rate, %", path=options.out / "encoder_choices.json", notes=notes)


if __name__ == "__main__":
    sys.exit(common.call(main))
