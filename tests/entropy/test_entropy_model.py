import contextlib
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from hvqcgic.bitstream import MODES
from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.entropy import DecodedPicture, EntropyModel, Masks, exact_layers
from hvqcgic.errors import BitstreamError, ModelError
from hvqcgic.index_priors import FORMS

GOLDEN = {
    "adaptive": [
        "19304f44372b40347e8cab8a5e921f51610767f9e1fae7f49f03b021a091bd22c5b045f84dc1f3e6604b93f60a76cb339b3e8db41406685bc5"
    ],
    "static-arithmetic": ["193042f379d15d637cb067e5a0f90bc2a31fd9c7fae97447"],
    "static-huffman": ["1763c800", "fe745f973fcf3e2fe5bfebd33f3e2fe5bfebd33f3e"],
    "fixed-length": ["1763c800", "1616b3805a216b3805a27c4916b3805a27c49160"],
}


def load(frozen: Any) -> EntropyModel:
    return EntropyModel(frozen.spec, frozen.arrays)


def same(found: DecodedPicture, picture: Any) -> bool:
    return all(np.array_equal(found.masks[g], picture.masks[g]) for g in GRANULARITIES) and all(
        np.array_equal(found.indices[g], picture.indices[g]) for g in GRANULARITIES
    )


def decode(model: EntropyModel, picture: Any, sections: Sequence[bytes], mode: str) -> DecodedPicture:
    h16, w16, n_coarse, n_medium = picture.grid
    return model.decode(h16, w16, n_coarse, n_medium, sections, mode=mode)


MODELS: dict[tuple[Any, ...], Any] = {}


def cached_model(make_model: Callable[..., Any], form: str, decoder_prior: bool, spread: float) -> Any:
    key = (form, decoder_prior, spread)
    if key not in MODELS:
        MODELS[key] = make_model(form=form, decoder_prior=decoder_prior, spread=spread)
    return MODELS[key]


@pytest.mark.parametrize("form", FORMS)
def test_sixteen_thousand_codes_round_trip_on_one_thread_and_more(
    form: str, make_model: Callable[..., Any], make_picture: Callable[..., Any]
) -> None:
    frozen = make_model(form=form, codes=16384, spread=3.0)
    model, picture = load(frozen), make_picture(frozen, 4, 5, (0.2, 0.4))
    encoded = model.encode(picture.masks, picture.indices, picture.z, mode="adaptive")
    assert same(decode(model, picture, encoded.sections, "adaptive"), picture)
    torch.set_num_threads(2)
    try:
        assert model.encode(picture.masks, picture.indices, picture.z, mode="adaptive") == encoded
        assert same(decode(model, picture, encoded.sections, "adaptive"), picture)
    finally:
        torch.set_num_threads(1)
    assert -16 < 8 * len(encoded.sections[0]) - encoded.estimated_bits < 0.001 * encoded.estimated_bits + 16


@settings(max_examples=25)
@given(
    st.integers(0, 2**20),
    st.tuples(st.integers(1, 4), st.integers(1, 5)),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.sampled_from(sorted(FORMS)),
    st.booleans(),
    st.sampled_from([0.0, 1.0, 300.0]),
)
def test_anything_round_trips_in_every_mode(
    make_model: Callable[..., Any],
    make_picture: Callable[..., Any],
    seed: int,
    size: tuple[int, int],
    shares: tuple[float, float],
    form: str,
    decoder_prior: bool,
    spread: float,
) -> None:
    frozen = cached_model(make_model, form, decoder_prior, spread)
    model, picture = load(frozen), make_picture(frozen, *size, shares, seed)
    for mode in MODES:
        encoded = model.encode(picture.masks, picture.indices, picture.z, mode=mode)
        found = decode(model, picture, encoded.sections, mode)
        assert same(found, picture)
        real = 8 * sum(len(section) for section in encoded.sections)
        assert abs(real - encoded.estimated_bits) < 0.001 * encoded.estimated_bits + 64
        assert math.isclose(sum(encoded.parts.values()), encoded.estimated_bits)
        assert list(encoded.parts) == ["map", "z", *GRANULARITIES]
        if not decoder_prior:
            assert found.parameters is None
            continue
        expected = model.parameters(picture.masks, picture.indices, picture.z)
        assert found.parameters is not None
        for granularity in GRANULARITIES:
            np.testing.assert_array_equal(found.parameters[granularity], expected[granularity])


def test_real_bytes_are_the_estimate(make_model: Callable[..., Any], make_picture: Callable[..., Any]) -> None:
    frozen = make_model(codes=200)
    model, picture = load(frozen), make_picture(frozen, 12, 16, (0.1, 0.4))
    for mode in MODES:
        encoded = model.encode(picture.masks, picture.indices, picture.z, mode=mode)
        real = 8 * sum(len(section) for section in encoded.sections)
        assert encoded.estimated_bits > 10_000
        assert abs(real - encoded.estimated_bits) < 0.001 * encoded.estimated_bits + 64


def integer_model(frozen: Any) -> EntropyModel:
    """The fixture's model with every table from an integer formula, so that it is the same on every machine."""
    arrays = dict(frozen.arrays)
    for name, array in frozen.arrays.items():
        values = (np.arange(array.size, dtype=np.int64) * 7919 + 13 * len(name)).reshape(array.shape)
        if ".conv" in name or name.startswith("map."):
            arrays[name] = values % 2003 - 1001
        elif name.startswith("z.") or name == "usage":
            arrays[name] = values % 997 + 1
        elif name == "prior.bias":
            arrays[name] = values % 131071 - 65535
        elif name == "embeddings":
            arrays[name] = values % 8191 - 4095
    arrays["map.probabilities"] = np.arange(1, 354) * 180
    arrays["prior.codes"] = arrays["embeddings"] // 4
    arrays["prior.scale"] = 2**24 // (np.arange(256) + 2) ** 2 + 180
    arrays["prior.frequencies"] = 2**24 // (np.arange(1601) ** 2 + 1) + 1
    return EntropyModel(frozen.spec | {"prior": {"form": "diagonal", "code_bits": 10}}, arrays)


@pytest.mark.parametrize("mode", GOLDEN)
def test_golden_sections(frozen: Any, mode: str) -> None:
    rows, columns = np.ogrid[:4, :6]
    coarse = (rows + 2 * columns)[:2, :3] % 4 == 1
    medium = ((rows * 5 + columns * columns) % 7 < 3) & ~coarse.repeat(2, 0).repeat(2, 1)
    masks = Masks.from_coarser(coarse, medium)
    indices = {g: (np.arange(masks.count(g)) * 5 + 1) % 13 for g in GRANULARITIES}
    z = {"coarse": np.arange(2).reshape(2, 1, 1) - 3, "fine": np.arange(6).reshape(1, 2, 3) % 7 - 3}
    sections = integer_model(frozen).encode(masks, indices, z, mode=mode).sections
    assert [section.hex() for section in sections] == GOLDEN[mode]


@pytest.fixture
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_two_threads_without_onednn_decode_what_one_thread_wrote(model: EntropyModel, picture: Any) -> None:
    torch.set_num_threads(1)
    encoded = model.encode(picture.masks, picture.indices, picture.z, mode="adaptive")
    torch.set_num_threads(2)
    torch._C._set_mkldnn_enabled(False)
    try:
        assert model.encode(picture.masks, picture.indices, picture.z, mode="adaptive") == encoded
        assert same(decode(model, picture, encoded.sections, "adaptive"), picture)
    finally:
        torch._C._set_mkldnn_enabled(True)


def test_float32_networks_break_the_decode(
    make_model: Callable[..., Any], make_picture: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the exact networks are for. Were this test to fail, the tests of exactness would prove nothing.
    frozen = make_model(codes=64, width=48)
    model, picture = load(frozen), make_picture(frozen, 6, 8, (0.2, 0.4))
    encoded = model.encode(picture.masks, picture.indices, picture.z, mode="adaptive")
    assert same(decode(model, picture, encoded.sections, "adaptive"), picture)

    def float32_convolution(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, stride: int) -> torch.Tensor:
        return F.conv2d(x.float(), weight.float(), bias.float(), stride=stride).double().round_()

    def float32_product(weight: torch.Tensor, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.addmm(bias.float(), weight.float(), x.float()).double()

    monkeypatch.setattr(exact_layers, "exact_convolution", float32_convolution)
    monkeypatch.setattr(exact_layers, "exact_product", float32_product)
    with contextlib.suppress(BitstreamError):
        assert not same(decode(model, picture, encoded.sections, "adaptive"), picture)


@pytest.mark.parametrize("mode", MODES)
def test_every_truncation_is_refused_or_decodes_to_something(model: EntropyModel, picture: Any, mode: str) -> None:
    sections = model.encode(picture.masks, picture.indices, picture.z, mode=mode).sections
    wrong = 0
    for place, section in enumerate(sections):
        for length in range(0, len(section), 1 if mode != "adaptive" else 7):
            cut = (*sections[:place], section[:length], *sections[place + 1 :])
            try:
                wrong += not same(decode(model, picture, cut, mode), picture)
            except BitstreamError:
                wrong += 1
    assert wrong >= sum(len(section) // 7 for section in sections)


@settings(max_examples=30)
@given(st.sampled_from(MODES), st.lists(st.binary(max_size=60), min_size=1, max_size=3), st.integers(0, 99))
def test_any_bytes_are_refused_or_decode_to_something(
    model: EntropyModel, mode: str, sections: list[bytes], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    h16, w16 = (int(x) for x in rng.integers(1, 4, 2))
    n_coarse = int(rng.integers(0, h16 * w16 + 1))
    n_medium = int(rng.integers(0, 4 * (h16 * w16 - n_coarse) + 1))
    try:
        found = model.decode(h16, w16, n_coarse, n_medium, sections, mode=mode)
    except BitstreamError:
        return
    assert (found.masks.count("coarse"), found.masks.count("medium")) == (n_coarse, n_medium)
    for granularity in GRANULARITIES:
        assert len(found.indices[granularity]) == found.masks.count(granularity)
        assert np.all((found.indices[granularity] >= 0) & (found.indices[granularity] < 13))


@pytest.mark.parametrize(
    ("counts", "sections", "message"),
    [
        ((2, 2, 5, 0), (b"",), "5 coarse and 0 medium cells do not fit a grid of 2 x 2"),
        ((2, 2, 4, 1), (b"",), "4 coarse and 1 medium cells do not fit"),
        ((0, 2, 0, 0), (b"",), "do not fit a grid of 0 x 2"),
        ((2, 2, 1, 1), (b"", b""), "2 sections, mode adaptive of this model has 1"),
    ],
)
def test_impossible_headers_are_refused(
    model: EntropyModel, counts: tuple[int, int, int, int], sections: tuple[bytes, ...], message: str
) -> None:
    with pytest.raises(BitstreamError, match=message):
        model.decode(*counts, sections, mode="adaptive")


def test_what_does_not_fit_the_map_is_refused_before_coding(model: EntropyModel, picture: Any) -> None:
    masks, indices, z = picture.masks, picture.indices, picture.z
    with pytest.raises(ValueError, match="coding mode 'lzma' is unknown; choose adaptive"):
        model.encode(masks, indices, z, mode="lzma")
    with pytest.raises(ValueError, match="coding mode 'lzma' is unknown"):
        decode(model, picture, (b"",), "lzma")
    with pytest.raises(ValueError, match=r"fine indices have shape \(3,\), the map has \d+ cells"):
        model.encode(masks, indices | {"fine": np.zeros(3, np.int64)}, z, mode="adaptive")
    with pytest.raises(ValueError, match=r"fine indices lie in \[99, 99\], this model has 13 codes"):
        model.encode(masks, indices | {"fine": np.full(masks.count("fine"), 99)}, z, mode="zip")
    with pytest.raises(ValueError, match="z lacks the hyper-latent of coarse cells"):
        model.encode(masks, indices, {"fine": z["fine"]}, mode="adaptive")
    with pytest.raises(ValueError, match="integers from -31 to 31"):
        model.encode(masks, indices, z | {"fine": z["fine"] + 99}, mode="adaptive")


def test_modes_without_networks_need_no_z(model: EntropyModel, picture: Any) -> None:
    encoded = model.encode(picture.masks, picture.indices, {}, mode="static-arithmetic")
    assert encoded.parts["z"] == 0
    assert same(decode(model, picture, encoded.sections, "static-arithmetic"), picture)


def test_every_missing_array_is_a_model_error(frozen: Any) -> None:
    # A table of z may be left out: its granularity then has no hyperprior, and the first pass takes too many channels.
    for name in frozen.arrays:
        with pytest.raises(ModelError):
            EntropyModel(frozen.spec, {key: array for key, array in frozen.arrays.items() if key != name})


@pytest.mark.parametrize("key", ["schedule", "prior", "activation_bits", "weight_bits", "activation_limit", "networks"])
def test_every_missing_or_wrong_entry_is_a_model_error(frozen: Any, key: str) -> None:
    with pytest.raises(ModelError, match=re.escape("frozen entropy model is damaged or incomplete")):
        EntropyModel({name: value for name, value in frozen.spec.items() if name != key}, frozen.arrays)
    with pytest.raises(ModelError):
        EntropyModel(frozen.spec | {key: None}, frozen.arrays)


def test_a_loaded_network_that_could_overflow_is_refused_by_name(frozen: Any) -> None:
    name = "context.fine/2.conv1.weight"
    loud = frozen.arrays[name].astype(np.int64) * 2**30
    with pytest.raises(ModelError, match=r"context\.fine/2\.conv1: sums may reach 2\^\d+\.\d, exact are 2\^50"):
        EntropyModel(frozen.spec, frozen.arrays | {name: loud})


def test_networks_of_other_sizes_are_refused(frozen: Any) -> None:
    networks = dict(frozen.spec["networks"])
    networks["context.coarse"] = networks["context.fine/0"]  # it has a stride, a pass over all cells must not
    with pytest.raises(ModelError, match=r"context\.coarse turns \(8, 12\) positions into \(4, 6\), not \(8, 12\)"):
        EntropyModel(frozen.spec | {"networks": networks}, frozen.arrays)
    with pytest.raises(ModelError, match="codes do not belong together"):
        EntropyModel(frozen.spec, frozen.arrays | {"embeddings": np.zeros((14, 3), np.int16)})
