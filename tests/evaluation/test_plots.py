from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from hvqcgic.evaluation.curves import read_curves
from hvqcgic.evaluation.plots import draw, write_plots
from tests.evaluation.run_folder import make_run


def test_a_plot_has_every_curve_with_its_points(tmp_path: Path) -> None:
    make_run(tmp_path)
    curves = read_curves(tmp_path)
    (axes,) = draw(curves, ["psnr_db"]).axes
    assert axes.get_xlabel() == "bits per pixel"
    assert axes.get_ylabel() == "PSNR (dB)"
    for line, curve in zip(axes.get_lines(), curves.curves, strict=True):
        assert line.get_label() == curve.codec
        assert np.array_equal(np.asarray(line.get_xydata()), np.stack([curve.bpp, curve.metrics["psnr_db"]], 1))


def test_writes_png_and_svg_the_same_every_time(tmp_path: Path) -> None:
    make_run(tmp_path)
    written = write_plots(tmp_path)
    names = [f"{name}.{kind}" for name in ("all", "psnr_db") for kind in ("png", "svg")]
    assert [path.relative_to(tmp_path / "plots").as_posix() for path in written] == names
    with Image.open(written[0]) as picture:
        assert picture.width > 600
        assert len(set(picture.convert("L").tobytes())) > 20
    text = "".join(ElementTree.parse(written[3]).getroot().itertext())
    assert "bits per pixel" in text
    assert "jpeg" in text
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in write_plots(tmp_path)] == before


def test_a_run_without_curves_has_no_plots(tmp_path: Path) -> None:
    make_run(tmp_path, names=())
    assert write_plots(tmp_path) == ()
    assert not (tmp_path / "plots").exists()
