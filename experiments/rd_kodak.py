"""Rate, distortion and perception against rivals and published curves: Control-GIC, figure 4.

    python experiments/rd_kodak.py PICTURES... --out FOLDER [--codecs SPEC...]

Runs `python -m hvqcgic.evaluate` with the published curves of Kodak beside ours, which leaves its report, plots and
TensorBoard files in FOLDER and shows BD-rates against this project's codec. LPIPS is compared only with curves of the
same network. Published curves are of all 24 pictures of Kodak.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import common

from hvqcgic.evaluation import main as evaluate

CODECS = (
    "hvqcgic:tiny@path=0..1:8",
    "hvqcgic:tiny-frozen+static-huffman@path=0..1:8",
    "jpeg@5..80:8",
    "webp",
    "avif",
    "jpeg2000",
)
CURVES = (
    "fig_eflic_control_gic.kodak.json",
    "fig_eflic_hific.kodak.json",
    "fig_eflic_ms_illm.kodak.json",
    "fig_eflic_ef_lic.kodak.json",
    "ms_illm.kodak.json",
    "crdr_beta3.84.kodak.json",
    "diffeic.kodak.json",
    "rdeic_2step.kodak.json",
    "compressai-kodak/vtm.json",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluates; exit code: that of the evaluator."""
    parser = common.parser(__doc__)
    parser.add_argument("--codecs", nargs="+", default=list(CODECS), metavar="SPEC")
    parser.add_argument("--metrics", nargs="+", default=[], metavar="NAME", help="default: all that can be had")
    options = parser.parse_args(arguments)
    there = [options.published / name for name in CURVES if (options.published / name).is_file()]
    if not there:
        sys.stderr.write(f"note: no published curves in {options.published}; they are left out\n")
    command = [*options.pictures, "--out", str(options.out), "--jobs", str(options.jobs)]
    command += ["--codecs", *options.codecs, *(f"published:{path}" for path in there)]
    return evaluate([*command, "--metrics", *options.metrics] if options.metrics else command)


if __name__ == "__main__":
    sys.exit(main())
