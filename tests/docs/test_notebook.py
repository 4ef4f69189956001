"""The notebook of first steps runs from first cell to last, with a small picture and a training of two steps."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples/first_steps.ipynb"


def cells() -> list[dict[str, Any]]:
    return json.loads(NOTEBOOK.read_text("utf-8"))["cells"]


def test_the_notebook_is_kept_without_results() -> None:
    assert not [cell for cell in cells() if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    copy = shutil.copy(NOTEBOOK, tmp_path)
    program = "import sys; from nbclient.cli import main; sys.argv = ['execute', '--inplace', sys.argv[1]]; main()"
    paths = os.pathsep.join([str(NOTEBOOK.parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {
        **os.environ,
        "HVQCGIC_SMALL": "1",
        "PYTHONPATH": paths,
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "run"),
    }
    run = subprocess.run(
        [sys.executable, "-c", program, copy],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    done = [cell for cell in json.loads(Path(copy).read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in done)
    pictures = sum("image/png" in output.get("data", {}) for cell in done for output in cell["outputs"])
    assert pictures >= 6
    assert (tmp_path / "first-steps/mine.safetensors").is_file()
