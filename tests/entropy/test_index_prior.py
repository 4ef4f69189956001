import resource

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from hvqcgic.entropy.index_prior import CHUNK_ELEMENTS, FORMS, IndexPrior, freeze_prior, parameter_count
from hvqcgic.errors import ModelError

D, R = 4, 16
ONE = 4096.0
BITS_A_NAT = 1 / np.log(2)


def make_prior(
    form: str, codes: int = 64, seed: int = 0, *, log_prior: bool = True
) -> tuple[IndexPrior, dict[str, NDArray]]:
    rng = np.random.default_rng(seed)
    parts = {
        "codebook": rng.normal(size=(codes, D)),
        "log_prior": rng.normal(size=(3, codes)) * 2 if log_prior else np.zeros((3, codes)),
        "features": rng.normal(size=(codes, R)) * 0.5,
    }
    spec, arrays = freeze_prior(
        form,
        codebook=parts["codebook"],
        log_prior=parts["log_prior"] if log_prior else None,
        features=parts["features"] if form == "learned" else None,
    )
    return IndexPrior(spec, arrays, activation_bits=12), parts


def cell_numbers(form: str, n: int, seed: int = 1) -> NDArray[np.float64]:
    """(N, P) integers such as a context network gives: means among the codes, sigma from 1/8 to 2, mild correlation."""
    rng = np.random.default_rng(seed)
    if form == "learned":
        return np.round(rng.normal(size=(n, R)) * ONE)
    columns = [
        rng.normal(size=(n, D)),
        rng.uniform(-3, 1, (n, D)),
        rng.normal(size=(n, parameter_count(form, D, R) - 2 * D)),
    ]
    return np.round(np.concatenate(columns, 1) * ONE)


def reference_bits(
    form: str, parts: dict[str, NDArray], numbers: NDArray[np.float64], granularity: int
) -> NDArray[np.float64]:
    """(N, K) bits of every code in float64, from the formulas of the design and scipy's softmax."""
    r = numbers / ONE
    if form == "learned":
        logits = r @ parts["features"].T
    else:
        factor = np.zeros((len(r), D, D))
        factor[:, range(D), range(D)] = 2.0 ** -r[:, D : 2 * D]
        if form == "quadratic":
            factor[:, *np.tril_indices(D, -1)] = r[:, 2 * D :]
        away = parts["codebook"][None] - r[:, None, :D]
        logits = -0.5 * BITS_A_NAT * (np.einsum("nkd,nde->nke", away, factor) ** 2).sum(2)
    return -log_softmax((logits + parts["log_prior"][granularity]) / BITS_A_NAT, axis=1) * BITS_A_NAT


def frequencies(prior: IndexPrior, numbers: NDArray[np.float64], granularity: str) -> NDArray[np.float64]:
    return np.concatenate([chunk.frequencies.copy() for chunk in prior.chunks(torch.from_numpy(numbers), granularity)])


@pytest.mark.parametrize("log_prior", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_cross_entropy_of_the_float_prior(form: str, log_prior: bool) -> None:
    prior, parts = make_prior(form, 256, log_prior=log_prior)
    numbers = cell_numbers(form, 1000)
    bits = reference_bits(form, parts, numbers, 1)
    rng = np.random.default_rng(3)
    indices = (np.cumsum(2.0**-bits, 1) < rng.random((len(bits), 1))).sum(1).clip(0, 255)
    found = frequencies(prior, numbers, "medium")
    rows = np.arange(len(indices))
    integer_bits = np.log2(found.sum(1)) - np.log2(found[rows, indices])
    expected = bits[rows, indices].mean()
    assert 1 < expected < 7.9
    assert abs(integer_bits.mean() / expected - 1) < 0.003


@pytest.mark.parametrize("form", FORMS)
def test_frequencies_are_integers_of_the_documented_range(form: str) -> None:
    prior, _ = make_prior(form)
    extreme = np.random.default_rng(0).choice([-32 * ONE, 0, 32 * ONE], (300, prior.parameter_count))
    for granularity in ("coarse", "medium", "fine"):
        found = frequencies(prior, extreme, granularity)
        np.testing.assert_array_equal(found, np.floor(found))
        assert found.min() >= 1
        np.testing.assert_array_equal(found.max(1), 2.0**24)
        assert found.sum(1).max() < 2**53


@pytest.mark.parametrize("form", FORMS)
def test_any_order_of_summation_and_any_chunk_gives_the_same(form: str) -> None:
    prior, _ = make_prior(form)
    numbers = cell_numbers(form, 80)
    expected = frequencies(prior, numbers, "fine")
    np.testing.assert_array_equal(
        np.concatenate([frequencies(prior, numbers[i : i + 7], "fine") for i in range(0, 80, 7)]), expected
    )
    terms = prior._cell_terms(torch.from_numpy(numbers))
    order = torch.randperm(terms.shape[1], generator=torch.Generator().manual_seed(0))
    table = prior._tables[2]
    assert torch.equal(terms[:, order] @ table[order], terms @ table)


def test_product_is_the_exact_integer() -> None:
    prior, _ = make_prior("diagonal")
    terms = prior._cell_terms(torch.from_numpy(cell_numbers("diagonal", 5)))
    scale = 2.0 ** (prior.cost_bits - 6)
    found = ((terms @ prior._tables[0]) * scale).tolist()
    table = [[int(x) for x in row] for row in (prior._tables[0] * scale).t().tolist()]
    expected = [
        [sum(int(b) * a for b, a in zip(row, column, strict=True)) for column in table] for row in terms.tolist()
    ]
    assert found == expected
    assert max(abs(x) for row in expected for x in row) > 2**24


def test_with_wide_sigma_it_is_the_static_distribution() -> None:
    prior, parts = make_prior("diagonal")
    numbers = np.concatenate([np.zeros((1, D)), np.full((1, D), 4 * ONE)], 1)
    found = frequencies(prior, numbers, "coarse")[0]
    static = 2.0 ** parts["log_prior"][0]
    np.testing.assert_allclose(np.log2(found / found.sum()), np.log2(static / static.sum()), atol=0.25)


def test_many_codes_stay_within_bounded_memory() -> None:
    prior, _ = make_prior("learned", 16384)
    numbers = torch.zeros(25_000, R, dtype=torch.float64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = 0
    for chunk in prior.chunks(numbers, "fine"):
        assert chunk.frequencies.size <= CHUNK_ELEMENTS
        assert chunk.start == done
        done = chunk.stop
    assert done == 25_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB, so 256 MiB


def test_small_codebooks_get_a_fine_grid_and_wide_ones_a_coarser() -> None:
    rng = np.random.default_rng(0)
    bits = []
    for scale in (0.5, 4.0):
        spec, _ = freeze_prior("diagonal", codebook=scale * rng.uniform(-1, 1, (32, D)), log_prior=None, features=None)
        bits.append(spec["code_bits"])
    assert 8 <= bits[1] <= bits[0] <= 12


def test_codes_too_far_apart_are_refused() -> None:
    with pytest.raises(ModelError, match=r"codebook values reach 1e\+03: too far"):
        freeze_prior("diagonal", codebook=np.full((4, D), 1000.0), log_prior=None, features=None)
    spec, arrays = freeze_prior("learned", codebook=np.zeros((4, D)), log_prior=None, features=np.ones((4, 2)))
    arrays["prior.codes"] = arrays["prior.codes"].astype(np.int64) * 2**24
    with pytest.raises(ModelError, match=r"costs may reach 2\^5\d.* exact are 2\^52"):
        IndexPrior(spec, arrays, activation_bits=12)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("prior.bias", np.zeros((3, 5), np.int32), "do not fit"),
        ("prior.frequencies", np.zeros(9, np.int32), "table of frequencies is damaged"),
        ("prior.scale", np.ones(255, np.int32), "255 levels of sigma, expected 256"),
    ],
)
def test_damaged_tables_are_refused(name: str, value: NDArray, message: str) -> None:
    spec, arrays = freeze_prior("diagonal", codebook=np.zeros((4, D)), log_prior=None, features=None)
    with pytest.raises(ModelError, match=message):
        IndexPrior(spec, arrays | {name: value}, activation_bits=12)


def test_unknown_form_and_missing_features_are_refused() -> None:
    with pytest.raises(ModelError, match="'cubic' is unknown; choose diagonal, quadratic, learned"):
        freeze_prior("cubic", codebook=np.zeros((4, D)), log_prior=None, features=None)
    with pytest.raises(ModelError, match="needs the features"):
        freeze_prior("learned", codebook=np.zeros((4, D)), log_prior=None, features=None)
