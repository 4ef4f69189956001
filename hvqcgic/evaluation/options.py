"""The options of `python -m hvqcgic.evaluate`."""

from __future__ import annotations

from jsonargparse import ArgumentParser

from hvqcgic.cli import new_parser


def build_parser() -> ArgumentParser:
    """Build the parser of all options; each option can also stand in a YAML file given with --config."""
    parser = new_parser(
        "hvqcgic.evaluate",
        "Code pictures with several codecs at several points, measure what comes back, draw the curves. "
        "The same command again goes on where it stopped.",
    )
    parser.add_argument("pictures", type=str, nargs="+", metavar="PICTURES", help="pictures, or folders of pictures")
    parser.add_argument(
        "--codecs",
        type=str,
        nargs="+",
        required=True,
        metavar="SPEC",
        help="NAME[:VARIANT][@POINTS], such as hvqcgic:tiny@ratios=0.5,0.4,0.1 or hvqcgic:tiny@path=0..1:8,steps=2 or "
        "hvqcgic:tiny-frozen+static-huffman or jpeg@5..80:8 or webp, avif, jpeg2000, or published:FILE.json; "
        "an unknown name prints the list of known names",
    )
    parser.add_argument("--out", type=str, required=True, metavar="DIR", help="folder for all output of a run")
    parser.add_argument(
        "--metrics", type=str, nargs="+", metavar="NAME", help="metrics to measure (default: all available)"
    )
    parser.add_argument("--jobs", type=int, default=0, help="processes of one thread each; 0 for one a CPU core")
    parser.add_argument("--device", type=str, default="cpu", help="device of the networks: cpu, cuda, cuda:1 ...")
    parser.add_argument(
        "--niqe_parameters",
        type=str | None,
        default=None,
        metavar="FILE",
        help="pristine model for NIQE (.npz with mu_pris_param and cov_pris_param) in place of the bundled one",
    )
    _add_report_options(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    return parser


def _add_report_options(parser: ArgumentParser) -> None:
    """Add the options of the report."""
    parser.add_argument("--report", type=bool, default=True, help="write plots, BD-rates, report and TensorBoard files")
    parser.add_argument(
        "--anchor",
        type=str | None,
        default=None,
        metavar="CODEC",
        help="reference codec of the BD-rates (default: the first)",
    )
    parser.add_argument(
        "--embed",
        type=str,
        nargs="+",
        metavar="PICTURE",
        help="names of pictures to embed in report.html, or `all`; other pictures stay in DIR/pictures",
    )
