"""Programs that use the package: pyright in strict mode finds nothing in them, with the package as installed."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = ("consumer.py", "compressai_consumer.py")


def run(*words: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    command = [str(word) for word in words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_runs(program: str, tmp_path: Path) -> None:
    done = run(sys.executable, HERE / program, tmp_path, folder=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_strict_types_know_everything(tmp_path: Path) -> None:
    pyright = Path(sysconfig.get_path("scripts")) / "pyright"
    if not pyright.is_file() or run(pyright, "--version", folder=tmp_path).returncode:
        pytest.skip("pyright is not there: make install installs it")
    made = run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(tmp_path / "venv")}))
    # Beside the packages of this environment, as an installer would put it: pyright then believes its py.typed alone.
    shutil.copytree(ROOT / "hvqcgic", site / "hvqcgic", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    (site / "links.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    for program in PROGRAMS:
        shutil.copy(HERE / program, tmp_path)
    include = [*PROGRAMS]
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict", "include": include}))
    python = Path(sysconfig.get_path("scripts", "venv", {"base": str(tmp_path / "venv")})) / "python"
    checked = run(pyright, "-p", tmp_path, "--pythonpath", python, "--outputjson", folder=tmp_path)
    found = json.loads(checked.stdout)
    assert found["summary"]["filesAnalyzed"] == len(PROGRAMS)
    assert [f"{each['file']}: {each['message']}" for each in found["generalDiagnostics"]] == []
