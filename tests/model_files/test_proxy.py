"""A proxy decoder in a model's file: files do not depend on it, damage is found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hvqcgic.errors import ModelError
from hvqcgic.model_files import FrozenProxy
from hvqcgic.model_files.frozen_model import read_model, write_model
from hvqcgic.model_files.registry import read_summary
from tests.random_model import random_model
from tests.random_proxy import with_random_proxy


def test_it_is_kept_in_the_file_and_is_no_part_of_the_models_fingerprint(tmp_path: Path) -> None:
    plain = random_model().freeze()
    model = with_random_proxy(plain)
    path = tmp_path / "one.safetensors"
    write_model(model, path)
    found = read_model(path)
    assert found.fingerprint == plain.fingerprint
    assert found.proxy is not None
    assert model.proxy is not None
    assert found.proxy.config == model.proxy.config
    assert all(np.array_equal(found.proxy.weights[name], array) for name, array in model.proxy.weights.items())
    assert found.picture_model(torch.device("cpu")).proxy is not None
    assert plain.picture_model(torch.device("cpu")).proxy is None


def test_damaged_proxies_are_refused_in_one_line(tmp_path: Path) -> None:
    model = with_random_proxy(random_model().freeze())
    assert model.proxy is not None
    path = tmp_path / "one.safetensors"
    write_model(model, path)
    stated = read_summary(path).metadata["proxy"]
    for wrong in (stated.replace('"width": 8', '"width": 9'), "[]", "{}", stated.replace("fingerprint", "print")):
        write_model(model, path, force=True)
        path.write_bytes(with_metadata(path.read_bytes(), stated, wrong))
        with pytest.raises(ModelError, match=r"one\.safetensors: [^\n]*$"):
            read_model(path)
    lacking = {name: array for name, array in model.proxy.weights.items() if name != "condition.bias"}
    short = replace(model, proxy=FrozenProxy(model.proxy.config, lacking))
    with pytest.raises(ModelError, match=r"weights proxy\.condition\.bias are missing"):
        short.picture_model(torch.device("cpu"))


def with_metadata(data: bytes, old: str, new: str) -> bytes:
    """The file with another text in its header, whose length is stated anew."""
    length = int.from_bytes(data[:8], "little")
    was, becomes = (text.replace('"', '\\"').encode() for text in (old, new))
    assert was in data[8 : 8 + length]
    header = data[8 : 8 + length].replace(was, becomes)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]
