"""`hvqcgic compress` with a target or a budget: what the files have, and one line for what cannot be."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import hvqcgic
from hvqcgic.codec.codec import Codec
from hvqcgic.coder.coder import PictureCoder
from hvqcgic.rate_control import Region, ratios
from tests.command_calls import Call, bad_pictures, save_picture
from tests.random_model import random_picture

N_PIXELS = 96 * 80


@pytest.fixture
def model(tiny_model_path: Path) -> Path:
    return tiny_model_path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "in/photo.png", 96, 80, seed=3)


def save(path: Path, width: int, height: int, *, seed: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(random_picture(width, height, seed=seed)).save(path)
    return path


def test_a_rate_is_reached_and_told(call: Call, tmp_path: Path, photo: Path, model: Path) -> None:
    result = call("compress", photo, "-o", tmp_path, "--model", model, "--bpp", 0.4, "--json")
    assert (result.code, result.err) == (0, "")
    entry = json.loads(result.out)
    assert entry["asked"] == {"bpp": 0.4}
    size = (tmp_path / "photo.hvq").stat().st_size
    assert entry["bytes"] == size
    assert abs(size - 0.4 * N_PIXELS / 8) <= 16
    assert (entry["eta"], 0 < entry["place"] < 1, 1 <= entry["trials"] <= 10) == (0.1, True, True)
    assert call("decompress", tmp_path / "photo.hvq", "-o", tmp_path, "--model", model).code == 0


@pytest.mark.parametrize(("text", "most"), [("360", 360), ("0.36kB", 360), ("0.35 KiB", 358), ("3.6e2", 360)])
def test_a_limit_is_kept(call: Call, tmp_path: Path, photo: Path, model: Path, text: str, most: int) -> None:
    assert call("compress", photo, "-o", tmp_path, "--model", model, "--max-bytes", text).code == 0
    assert most - 16 <= (tmp_path / "photo.hvq").stat().st_size <= most


def test_options_are_those_of_the_package(call: Call, tmp_path: Path, photo: Path, model: Path) -> None:
    codec = hvqcgic.load(model, device="cpu", precision="auto")
    mask = np.zeros((80, 96), np.uint8)
    mask[:40] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    region = Region(8, 0, 20, 30, 3.0)
    options = ["--granularity", "rd", "--eta", "0.3", "--roi", tmp_path / "mask.png", "--roi", "8,0,20,30=3"]
    assert call("compress", photo, "-o", tmp_path, "--model", model, "--max-bytes", 300, *options).code == 0
    roi = (tmp_path / "mask.png", region)
    expected = codec.compress(photo, max_bytes=300, granularity="rd", eta=0.3, roi=roi)
    assert (tmp_path / "photo.hvq").read_bytes() == expected
    assert call("compress", photo, "-o", tmp_path, "--model", model, "--target", "psnr=8", "--force").code == 0
    assert (tmp_path / "photo.hvq").read_bytes() == codec.compress(photo, target="psnr=8")
    assert call("compress", photo, "-o", tmp_path, "--model", model, "--bpp", 0.3, "--eta", "auto", "--force").code == 0
    assert (tmp_path / "photo.hvq").read_bytes() == codec.compress(photo, bpp=0.3, eta="auto")


def test_a_quality_is_told_and_is_that_of_the_package(call: Call, tmp_path: Path, photo: Path, model: Path) -> None:
    result = call("compress", photo, "-o", tmp_path, "--model", model, "-q", 60, "--json")
    assert (result.code, result.err) == (0, "")
    entry = json.loads(result.out)
    assert (entry["asked"], entry["place"], entry["eta"], entry["trials"]) == ({"quality": 60}, 0.6, 0.0, 1)
    codec = hvqcgic.load(model, device="cpu", precision="auto")
    expected = codec.compress(photo, quality=60)
    assert (tmp_path / "photo.hvq").read_bytes() == expected == codec.compress(photo, ratios=ratios(0.6))
    compared = json.loads(call("compare", photo, "--model", model, "-q", 60, "--json").out)
    assert (compared["quality"], compared["pictures"][0]["bytes"]["adaptive"]) == (60, len(expected))


def test_features_are_refined(call: Call, tmp_path: Path, model: Path) -> None:
    small = save(tmp_path / "in/small.png", 34, 30, seed=3)
    codec = hvqcgic.load(model, device="cpu", precision="auto")
    assert call("compress", small, "-o", tmp_path, "--model", model, "--refine", 3).code == 0
    assert (tmp_path / "small.hvq").read_bytes() == codec.compress(small, refine=3) != codec.compress(small)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bpp", "0"], "bpp 0 is no rate"),
        (["--bpp", "-0.5"], "bpp -0.5 is no rate"),
        (["--bpp", "-1e-3"], "bpp -0.001 is no rate"),
        (["--bpp", "-inf"], "bpp -inf is no rate"),
        (["-q", "-1e-3"], "quality -0.001 is not allowed"),
        (["--quality", "-2"], "quality -2 is not allowed"),
        (["--eta", "-1e-3"], "eta -0.001 is not allowed"),
        (["--bpp", "nan"], "bpp nan is no rate"),
        (["--bpp", "24.5"], "bpp 24.5 is no rate; give a number above 0 and at most 24 (random reaches about 0.02 to"),
        (["--max-bytes", "0"], "max_bytes 0 is no size"),
        (["--max-bytes", "-3"], "max_bytes -3 is no size"),
        (["--budget", "0"], "budget of 0 bytes is no size"),
        (["--budget", "-1kB"], "budget of -1000 bytes"),
        (["--budget", "1kB", "--per-image-max", "0"], "per-image maximum of 0 bytes is no size"),
        (["--per-image-max", "300"], "--per-image-max belongs to --budget"),
        (["--bpp", "0.3", "--max-bytes", "300"], "--bpp and --max-bytes are two targets"),
        (["--ratios", "1,0,0", "--target", "psnr=9"], "--ratios and --target are two targets"),
        (["-q", "60", "--budget", "1kB"], "--quality and --budget are two targets"),
        (["--target", "psnr=9", "--budget", "1kB"], "--target and --budget are two targets"),
        (["--target", "ssim=0.9"], "target 'ssim=0.9' is not NAME=VALUE with a quality of lpips, psnr"),
        (["--target", "psnr=nan"], "give a number from 1 to 100 for psnr"),
        (["--eta", "-1"], "eta -1 is not allowed"),
        (["--eta", "nan"], "eta nan is not allowed"),
        (["--eta", "auto"], "--eta auto compares files of one size"),
        (["--refine", "-1"], "'-1' is not a whole number of steps, such as 10"),
        (["--refine", "1001"], "refine 1001 is no number of steps"),
        (["--budget", "1kB", "--eta", "auto"], "--eta auto compares files of one size"),
        (["--roi", "1,2,3"], "is not x,y,w,h=weight"),
        (["--roi", "-1,2,3,4"], "starts outside the picture"),
        (["--roi", "90,0,10,10"], "outside the picture of 96 x 80 pixels"),
        (["--bpp", "0.0001"], "0.0001 bpp cannot be reached: with random this picture takes"),
        (["--bpp", "20"], "20 bpp cannot be reached: with random this picture takes"),
        (["--max-bytes", "5", "--clamp"], "5 bytes cannot be reached: with random this picture takes"),
        (["--target", "psnr=90"], "psnr 90 cannot be reached: with random this picture has at best"),
        (["--budget", "20"], "a budget of 20 bytes cannot be met: these 1 pictures take"),
        (["--budget", "5kB", "--per-image-max", "20"], "the largest of the smallest"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    call: Call, tmp_path: Path, photo: Path, model: Path, options: list[str], message: str
) -> None:
    result = call("compress", photo, "-o", tmp_path / "out", "--model", model, *options)
    assert result.code == 2
    assert message in result.complaint
    assert result.out == ""
    assert not (tmp_path / "out").exists()


def test_a_mask_of_another_size_is_one_line(call: Call, tmp_path: Path, photo: Path, model: Path) -> None:
    Image.new("L", (80, 96)).save(tmp_path / "mask.png")
    result = call("compress", photo, "-o", tmp_path / "out", "--model", model, "--roi", tmp_path / "mask.png")
    assert result.code == 2
    assert "mask.png: the mask has 80 x 96 pixels, the picture 96 x 80" in result.complaint
    assert not (tmp_path / "out").exists()


def test_clamped_is_said(call: Call, tmp_path: Path, photo: Path, model: Path) -> None:
    result = call("compress", photo, "-o", tmp_path, "--model", model, "--bpp", 20, "--clamp")
    assert result.code == 0
    assert "20 bpp cannot be reached" in result.complaint
    assert result.complaint.endswith("took the nearest")
    largest = hvqcgic.load(model, device="cpu", precision="auto").compress(photo, ratios=(1.0, 0.0, 0.0), eta=0.1)
    assert (tmp_path / "photo.hvq").read_bytes() == largest


@pytest.mark.parametrize("options", [["--max-bytes", "150"], ["--bpp", "0.12"]])
def test_in_a_batch_what_cannot_be_is_named_and_the_others_done(
    call: Call, tmp_path: Path, model: Path, options: list[str]
) -> None:
    save(tmp_path / "in/good.png", 96, 80, seed=1)
    large = save(tmp_path / "in/large.png", 320, 160, seed=2)
    small = save_picture(tmp_path / "in/small.png", seed=1, size=(16, 16))
    bad = large if "--max-bytes" in options else small
    result = call("compress", tmp_path / "in", "-o", tmp_path / "out", "--model", model, *options)
    assert result.code == 1
    assert result.complaint.startswith(f"hvqcgic: {bad}: ")
    assert "cannot be reached" in result.complaint
    assert len(result.out.splitlines()) == len(list((tmp_path / "out").iterdir())) == 2
    assert not (tmp_path / "out" / bad.with_suffix(".hvq").name).exists()


def sizes(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_size for path in folder.iterdir()}


@pytest.mark.parametrize("limit", [None, 600])
def test_a_budget_is_kept_and_used(call: Call, tmp_path: Path, limit: int | None) -> None:
    bad = bad_pictures(tmp_path / "in")
    bad.pop("missing.png")
    for number, name in enumerate("abc"):
        left = 150 + 48 * number
        Image.fromarray(data.cat()[70:262, left : left + 192]).save(tmp_path / f"in/{name}.png")
    options = ["--budget", "2kB"] + ([] if limit is None else ["--per-image-max", limit])
    result = call("compress", tmp_path / "in", "-o", tmp_path / "out", *options, "--json")
    assert result.code == 1
    assert len(result.err.splitlines()) == len(bad)
    assert all(name in result.err for name in bad)
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["status"] for line in lines] == ["failed"] * len(bad) + ["done"] * 3
    assert lines[-1]["asked"]["budget"] == 2000
    found = sizes(tmp_path / "out")
    assert set(found) == {"a", "b", "c"}
    # Within 16 bytes of the limit each, which is less than 3 % of it.
    most = 2000 if limit is None else min(2000, 3 * limit)
    assert 0.97 * most <= sum(found.values()) <= 2000
    assert limit is None or max(found.values()) <= limit


def test_a_budget_of_more_than_all_is_no_error(call: Call, tmp_path: Path) -> None:
    Image.fromarray(data.cat()[70:134, 150:214]).save(tmp_path / "cat.png")
    assert call("compress", tmp_path / "cat.png", "-o", tmp_path, "--budget", "1MB").code == 0
    largest = hvqcgic.load("tiny", device="cpu", precision="auto").compress(
        tmp_path / "cat.png", ratios=(1.0, 0.0, 0.0), eta=0.1
    )
    assert (tmp_path / "cat.hvq").stat().st_size >= len(largest) - 16


def test_with_a_budget_a_warning_is_told_once(call: Call, tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (200, 30, 30, 128)).save(tmp_path / "glass.png")
    result = call("compress", tmp_path / "glass.png", "-o", tmp_path, "--budget", "1MB")
    assert result.code == 0
    assert result.err.count("transparency is laid over white") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("options", [["--bpp", "0.3"], ["--budget", "400"]])
def test_nothing_is_written_when_interrupted_while_searching(
    call: Call,
    tmp_path: Path,
    photo: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    number: signal.Signals,
    code: int,
) -> None:
    trials = []
    try_out = PictureCoder.try_out

    def interrupted(*arguments: object, **named: object) -> object:
        trials.append(0)
        if len(trials) == 2:
            os.kill(os.getpid(), number)
        return try_out(*arguments, **named)  # pyright: ignore

    monkeypatch.setattr(Codec, "try_out", interrupted)
    result = call("compress", photo, "-o", tmp_path / "out", "--model", model, *options)
    assert result.code == code
    assert len(trials) == 2
    assert "complete" in result.complaint
    assert result.out == ""
    assert not (tmp_path / "out").exists()
