import resource
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from hvqcgic.entropy.frequency_chunks import CHUNK_ELEMENTS, CHUNK_ROWS
from hvqcgic.entropy.index_prior import IndexPrior, freeze_prior
from hvqcgic.errors import ModelError
from hvqcgic.index_priors import FORMS

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
        rng.normal(size=(n, FORMS[form].parameter_count(D) - 2 * D)),
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


def integer_costs(
    prior: IndexPrior, arrays: dict[str, NDArray], numbers: NDArray[np.float64], granularity: int
) -> NDArray[np.int64]:
    """(N, K) costs at 2^-prior.cost_bits from the integer tables by the formulas of the design, not expanded."""
    codes, scale = arrays["prior.codes"].astype(np.int64), arrays.get("prior.scale", np.zeros(1)).astype(np.int64)
    bias = arrays["prior.bias"][granularity].astype(np.int64) << prior.cost_bits - 16
    if prior.form.name == "learned":
        return -(numbers.astype(np.int64) @ codes.T) - bias
    values = numbers / ONE
    mean = np.floor(values[:, :D].clip(-8, 8) * 2**prior.grid.code_bits + 0.5).astype(np.int64)
    levels = scale[np.floor((values[:, D : 2 * D] + 5) * 32 + 0.5).clip(0, 255).astype(np.int64)]
    away = codes[None] - mean[:, None]
    if prior.form.name in ("mahalanobis", "diagonal"):
        return (levels[:, None] * away**2).sum(2) - bias
    factor = np.zeros((len(values), D, D), np.int64)
    factor[:, range(D), range(D)] = levels
    factor[:, *np.tril_indices(D, -1)] = np.floor(values[:, 2 * D :].clip(-8, 8) * 2**10 + 0.5)
    # 2^14 log2(e) / 2 of L Lᵀ, whose entries have 20 fractional bits, rounded.
    precision = (factor @ factor.transpose(0, 2, 1) * 47274 + 2**21) >> 22
    return (np.einsum("nkd,nde->nke", away, precision) * away).sum(2) - bias


def reference_frequencies(costs: NDArray[np.int64], cost_bits: int) -> NDArray[np.int64]:
    """Costs above the row's least in whole 1/64 bits, and from there to frequencies one number at a time."""
    steps = (costs - costs.min(1, keepdims=True)) >> cost_bits - 6
    one = {j: max(1, round(2 ** (24 - j / 64))) for j in np.unique(steps.clip(max=1600)).tolist()}
    return np.vectorize(one.get, otypes=[np.int64])(steps.clip(max=1600))


@pytest.mark.parametrize("codes", [2, 63, 1000, 16384])
@pytest.mark.parametrize("form", FORMS)
def test_every_frequency_is_the_reference_integer(form: str, codes: int) -> None:
    rng = np.random.default_rng(codes)
    codebook, features = rng.normal(size=(codes, D)), rng.normal(size=(codes, R))
    codebook[: codes // 2] = codebook[0]  # equal codes
    spec, arrays = freeze_prior(
        form,
        codebook=codebook,
        log_prior=rng.normal(size=(3, codes)) * 4,
        features=features if form == "learned" else None,
    )
    prior = IndexPrior(spec, arrays, activation_bits=12)
    count = max(1, min(CHUNK_ROWS, CHUNK_ELEMENTS // codes)) + 5  # more than a chunk
    numbers = cell_numbers(form, count)
    numbers[1::4] *= 8  # peaked, or beyond the clamps
    numbers[2::4] = np.round(numbers[2::4] / 64)
    numbers[3] = 32 * ONE
    numbers[4] = -32 * ONE
    for place, granularity in enumerate(("coarse", "medium", "fine")[: 3 if codes < 9999 else 1]):
        expected = reference_frequencies(integer_costs(prior, arrays, numbers, place), prior.cost_bits)
        assert expected.min() == 1 or codes == 2
        np.testing.assert_array_equal(frequencies(prior, numbers, granularity), expected)


def test_threads_change_nothing() -> None:
    prior, _ = make_prior("diagonal", 3000)
    numbers = cell_numbers("diagonal", 7 * (CHUNK_ELEMENTS // 3000) + 1)
    expected = frequencies(prior, numbers, "medium")
    torch.set_num_threads(3)
    try:
        np.testing.assert_array_equal(frequencies(prior, numbers, "medium"), expected)
        assert torch.get_num_threads() == 3
        for _ in prior.chunks(torch.from_numpy(numbers), "medium"):
            break  # as where a damaged stream ends the decoding
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("codes", [1024, 4096, 16384])
@pytest.mark.parametrize("spread", [-5, -2, 1, 2.9])
def test_cost_of_both_floors(codes: int, spread: float) -> None:
    """What K frequencies and K intervals of at least 2^-24 take from the others is bounded by K alone."""
    rng = np.random.default_rng(0)
    spec, arrays = freeze_prior("diagonal", codebook=rng.normal(size=(codes, D)), log_prior=None, features=None)
    prior = IndexPrior(spec, arrays, activation_bits=12)
    numbers = np.round(np.concatenate([rng.normal(size=(20, D)), np.full((20, D), spread)], 1) * ONE)
    logits = -integer_costs(prior, arrays, numbers, 0) / 2.0**prior.cost_bits
    ideal_bits = -log_softmax(logits / BITS_A_NAT, axis=1) * BITS_A_NAT
    found = frequencies(prior, numbers, "coarse")
    scale = (2**24 - codes) / found.sum(1, keepdims=True)
    left = np.floor((np.cumsum(found, 1) - found) * scale) + np.arange(codes)
    sizes = np.diff(left, axis=1, append=2.0**24)
    cost = (2.0**-ideal_bits * (24 - np.log2(sizes) - ideal_bits)).sum(1)
    assert cost.max() < np.log2(1 + codes / 2**24) - np.log2(1 - codes / 2**24) + 1e-4
    if codes == 16384 and spread == -5:
        assert cost.max() > 0.001  # a row of one code pays both


@pytest.mark.parametrize(("form", "widest"), [("diagonal", 16), ("quadratic", 4), ("learned", 4096)])
def test_a_large_codebook_is_exact_up_to_where_it_is_refused(form: str, widest: int) -> None:
    rng = np.random.default_rng(0)
    codebook, features, log_prior = (rng.uniform(-1, 1, shape) for shape in ((16384, D), (16384, R), (3, 16384)))

    def freeze(scale: float) -> tuple[dict[str, Any], dict[str, NDArray]]:
        wide = features * scale if form == "learned" else None
        return freeze_prior(form, codebook=codebook * scale, log_prior=log_prior, features=wide)

    for scale in (widest, widest / 16):
        spec, arrays = freeze(scale)
        prior = IndexPrior(spec, arrays, activation_bits=12)
        numbers = rng.choice([-32 * ONE, 32 * ONE], (4, prior.parameter_count))
        expected = reference_frequencies(integer_costs(prior, arrays, numbers, 2), prior.cost_bits)
        np.testing.assert_array_equal(frequencies(prior, numbers, "fine"), expected)
    with pytest.raises(ModelError, match=r"too far for an exact prior|exact are 2\^52"):
        IndexPrior(*freeze(widest * 16), activation_bits=12)


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
    terms = prior.cell_terms(torch.from_numpy(numbers))
    order = torch.randperm(terms.shape[1], generator=torch.Generator().manual_seed(0))
    table = prior._tables[2]
    assert torch.equal(terms[:, order] @ table[order], terms @ table)


def test_product_is_the_exact_integer() -> None:
    prior, _ = make_prior("diagonal")
    terms = prior.cell_terms(torch.from_numpy(cell_numbers("diagonal", 5)))
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
    numbers = torch.zeros(5000, R, dtype=torch.float64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = 0
    for chunk in prior.chunks(numbers, "fine"):
        assert chunk.frequencies.size <= CHUNK_ELEMENTS
        assert chunk.start == done
        done = chunk.stop
    assert done == 5000
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
    with pytest.raises(ModelError, match="'cubic' is unknown; choose mahalanobis, diagonal, quadratic, learned"):
        freeze_prior("cubic", codebook=np.zeros((4, D)), log_prior=None, features=None)
    with pytest.raises(ModelError, match="needs the features"):
        freeze_prior("learned", codebook=np.zeros((4, D)), log_prior=None, features=None)
