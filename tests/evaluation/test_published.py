import json
from pathlib import Path
from typing import Any

import pytest

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.published import read_published

CURVE: dict[str, Any] = {
    "name": "A codec",
    "source": "a paper",
    "dataset": "kodak",
    "metric_notes": "LPIPS net alex",
    "read_from": "table",
    "points": [{"bpp": 0.4, "psnr": 30, "lpips": 0.1}, {"bpp": 0.2, "psnr": 28, "setting": "small"}],
}


def write(folder: Path, value: Any) -> Path:
    path = folder / "curve.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_reads_the_schema(tmp_path: Path) -> None:
    curve = read_published(write(tmp_path, CURVE))
    assert (curve.name, curve.source, curve.dataset, curve.read_from) == ("A codec", "a paper", "kodak", "table")
    assert [point.label for point in curve.points] == ["small", "bpp=0.4"]
    assert curve.of("psnr_db") == ([0.2, 0.4], [28.0, 30.0])
    assert curve.of("lpips_alex") == ([0.4], [0.1])


@pytest.mark.parametrize(
    ("notes", "name"),
    [
        ("LPIPS net alex (metrics.py)", "lpips_alex"),
        ("LPIPS net VGG (test.py) -> not comparable with alex files", "lpips_vgg"),
        ("LPIPS net not stated in the sheet; its rows agree with the CSV (alex) -> treat as alex.", "lpips_alex"),
        ("LPIPS net not stated in the figure (its points agree with alex)", "lpips_alex"),
        ("LPIPS net not stated; may be VGG", "lpips"),
        ("", "lpips"),
    ],
)
def test_lpips_goes_by_its_network(tmp_path: Path, notes: str, name: str) -> None:
    curve = read_published(write(tmp_path, CURVE | {"metric_notes": notes}))
    assert curve.of(name) == ([0.4], [0.1])


def test_reads_the_form_of_compressai(tmp_path: Path) -> None:
    results = {"bpp": [0.2, 0.1], "psnr-rgb": [30.0, 27.0], "ms-ssim-rgb": [0.98, 0.95], "encoding_time": [2.0, 1.0]}
    curve = read_published(write(tmp_path, {"name": "bpg", "description": "-", "results": results}))
    assert curve.of("psnr_db") == ([0.1, 0.2], [27.0, 30.0])
    assert curve.of("ms_ssim") == ([0.1, 0.2], [0.95, 0.98])
    assert [point.encode_s for point in curve.points] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("not json", "is not JSON"),
        ([1, 2], "neither a list of points nor CompressAI's results"),
        (CURVE | {"points": []}, "has no points"),
        (CURVE | {"points": [{"psnr": 30}]}, "the point {'psnr': 30} has no bpp above 0"),
        (CURVE | {"points": [{"bpp": 0}]}, "has no bpp above 0"),
        (CURVE | {"points": [{"bpp": True}]}, "has no bpp above 0"),
        ({"results": {"bpp": [1, 2], "psnr-rgb": [30]}}, "lists of different lengths: {'bpp': 2, 'psnr-rgb': 1}"),
        ({"results": {"bpp": 1}}, "lists of different lengths"),
    ],
)
def test_refusals_name_the_file(tmp_path: Path, value: Any, message: str) -> None:
    path = write(tmp_path, value)
    with pytest.raises(ConfigError) as caught:
        read_published(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read: there is no such file"):
        read_published(tmp_path / "none.json")


def test_every_curve_of_the_collection_can_be_read(shared: Path) -> None:
    listed = json.loads((shared / "results/index.json").read_text())
    for entry in listed:
        curve = read_published(shared / "results" / entry["file"])
        assert len(curve.points) == entry["n_points"]
        assert [curve.points[0].bpp, curve.points[-1].bpp] == pytest.approx(entry["bpp_range"])
    for path in (shared / "results/compressai-kodak").glob("*.json"):
        assert read_published(path).points
