import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tools.bench_index_coding import Case, measure

ROOT = Path(__file__).parents[2]


def test_figures_of_a_small_codebook() -> None:
    before = torch.get_num_threads()
    try:
        result = measure(Case(codes=16, form="diagonal", threads=1, clock="cpu", repeats=1))
    finally:
        torch.set_num_threads(before)
    assert 0 < result.index_bits < 4.5
    for seconds in (result.encode, result.decode):
        stages = [value for stage, value in seconds.items() if stage != "whole"]
        assert min(stages) > 0
        assert sum(stages) < seconds["whole"]


@pytest.mark.slow
def test_sixteen_thousand_codes_take_less_than_a_gigabyte() -> None:
    command = [sys.executable, "-m", "tools.bench_index_coding", "--codes", "16384", "--forms", "learned"]
    command += ["--threads", "2", "--repeats", "1", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert np.log2(16384) > result["index_bits"] > 4
    assert result["memory_mb"] < 1000
    assert result["memory_mb"] - result["memory_before_mb"] < 150
