"""What can be known without torch is said before torch is imported, which takes ten times as long as all else."""

import json
import subprocess
import sys
from pathlib import Path

from hvqcgic.bitstream import Header, pack
from tests.command_calls import save_picture

ROOT = Path(__file__).parents[2]
REFUSED: tuple[tuple[str, str], ...] = (
    ("compress missing.png -o x.hvq", "there is no such file"),
    ("compress empty -o out", "no pictures in this folder"),
    ("compress a.png -o there.hvq", "exists already"),
    ("compress a.png -o x.jpg", "a result ends in .hvq"),
    ("compress a.png a.png folder -o there.hvq", "names one file"),
    ("compress a.png -o x.hvq --model nope", "unknown model"),
    ("compress a.png -o x.hvq --ratios 1,1,1", "must sum to 1"),
    ("compress a.png -o x.hvq --ratios 1,0,0 --bpp 0.2", "two targets"),
    ("compress a.png -o x.hvq --bpp 99", "tiny reaches about"),
    ("compress a.png -o x.hvq --max-bytes 0", "is no size"),
    ("compress a.png -o x.hvq -q 101", "quality 101 is not allowed"),
    ("compress a.png -o x.hvq -q -1", "quality -1 is not allowed"),
    ("compress a.png -o x.hvq -q high", "'high' is not a number from 0 to 100"),
    ("compress a.png -o x.hvq -q 60 --max-bytes 9", "--quality and --max-bytes are two targets"),
    ("compress a.png -o x.hvq --target nope=1", "is not NAME=VALUE"),
    ("compress a.png -o x.hvq --target psnr=0", "give a number from"),
    ("compress a.png -o x.hvq --eta -2", "is not allowed"),
    ("compress a.png -o x.hvq --eta auto", "compares files of one size"),
    ("compress a.png -o x.hvq --refine 5000", "is no number of steps"),
    ("compress a.png -o x.hvq --roi 1,2", "is not x,y,w,h=weight"),
    ("compress a.png -o x.hvq --roi missing.png", "there is no such file"),
    ("compress a.png -o x.hvq --tile 3", "is no size"),
    ("compress a.png -o x.hvq --jobs x", "is not auto or a whole number"),
    ("compress a.png -o x.hvq --nope", "unrecognized arguments"),
    ("compress folder -o out --budget 0", "is no size"),
    ("compress folder -o out --per-image-max 9", "belongs to --budget"),
    ("compare missing.png", "there is no such file"),
    ("compare a.png --ratios 1,1,1", "must sum to 1"),
    ("compare a.png --ratios 1,0,0 -q 60", "--ratios and --quality are two targets"),
    ("decompress missing.hvq -o x.png", "there is no such file"),
    ("decompress junk -o x.png", "not a .hvq stream"),
    ("decompress whole.hvq -o there.png", "exists already"),
    ("decompress whole.hvq -o x.xyz", "a result ends in .png"),
    ("decompress whole.hvq -o x.png --quality 50", "leave it out"),
    ("decompress whole.hvq -o x.png --steps 500", "cannot be taken"),
    ("decompress whole.hvq -o x.png --model nope", "unknown model"),
    ("explore missing.png", "there is no such file"),
    ("explore --model nope", "unknown model"),
    ("explore --port 1 --port 0", "is not a whole number above 0"),
    # Said when the picture is read; Pillow comes with NumPy.
    ("compress a.png -o x.hvq --model junk", "not a model file"),
    ("compress junk -o x.hvq", "not a picture"),
    ("compare junk", "not a picture"),
    ("explore junk", "not a picture"),
)
READING = ("not a model file", "not a picture")
PROGRAM = """
import contextlib, io, json, sys
from hvqcgic.cli import main
told = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            code = main(words.split())
        except SystemExit as end:
            code = end.code
    told.append([code, errors.getvalue(), [name for name in ("torch", "numpy", "PIL") if name in sys.modules]])
print(json.dumps(told))
"""


def test_refusals_come_before_torch(tmp_path: Path) -> None:
    save_picture(tmp_path / "folder/b.png", seed=1)
    save_picture(tmp_path / "a.png", seed=1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk").write_text("junk")
    for name in ("there.hvq", "there.png"):
        (tmp_path / name).touch()
    (tmp_path / "whole.hvq").write_bytes(pack(Header(bytes(8), "adaptive", 64, 48, 6, 10), [b"indices"]))
    before = sorted(tmp_path.rglob("*"))
    # In one process: what none of them imports is not there after all of them.
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{PROGRAM}"
    run = subprocess.run(
        [sys.executable, "-c", program, json.dumps([words for words, _ in REFUSED])],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for (words, message), (code, errors, imported) in zip(REFUSED, json.loads(run.stdout), strict=True):
        assert (code, errors.count("\n")) == (2, 1), (words, errors)
        assert message in errors, words
        assert not set(imported) & ({"torch"} if message in READING else {"torch", "numpy", "PIL"}), words
    assert sorted(tmp_path.rglob("*")) == before
