import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.index_priors import FORMS
from hvqcgic.models.index_prior import IndexPrior, index_bits, parameter_count
from tests.models.small import SMALL

K, D = 11, 3


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def build(form: str, *, log_prior: bool = True) -> IndexPrior:
    prior = IndexPrior(replace(SMALL.entropy, form=form, log_prior=log_prior), K, D)
    with torch.no_grad():
        prior.log_prior.copy_(normal(3, K, seed=9))
    return prior


def probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp2(logits - logits.max())
    return raised / raised.sum()


def expected(prior: IndexPrior, row: NDArray[np.float64], granularity: int, codebook: Tensor) -> NDArray[np.float64]:
    """Probabilities of all codes by the formulas of design section 3, for one cell."""
    bias = prior.log_prior[granularity].detach().double().numpy()
    codes = codebook.double().numpy()
    if prior.config.form == "learned":
        return probabilities(bias + prior.features.detach().double().numpy() @ row)
    if prior.config.form == "mahalanobis":
        codes = prior.features.detach().double().numpy()
        width = codes.shape[1]
        mean, inverse = row[:width].clip(-8, 8), 2.0 ** -row[width:].clip(-5, 3 - 1 / 32)
        return probabilities(bias - 0.5 * (((codes - mean) * inverse) ** 2).sum(1) / math.log(2))
    mean, inverse = row[:D].clip(-8, 8), 2.0 ** -row[D : 2 * D].clip(-5, 3 - 1 / 32)
    factor = np.diag(inverse)
    if prior.config.form == "quadratic":
        factor[np.tril_indices(D, -1)] = row[2 * D :].clip(-8, 8)
    residual = codes - mean
    energy = 0.5 * np.einsum("ki,ij,kj->k", residual, factor @ factor.T, residual)
    return probabilities(bias - energy / math.log(2))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("granularity", [0, 1, 2])
def test_every_form_is_its_formula(form: str, granularity: int) -> None:
    prior = build(form)
    codebook = normal(K, D, seed=1)
    parameters = normal(6, parameter_count(prior.config, D), seed=2)
    parameters[-1] *= 20  # leaves the bounds of mean, sigma and factor
    logits = prior(parameters, granularity, codebook)
    assert logits.shape == (6, K)
    for row, found in zip(parameters.double().numpy(), logits.detach().double().numpy(), strict=True):
        np.testing.assert_allclose(
            probabilities(found), expected(prior, row, granularity, codebook), rtol=2e-3, atol=1e-7
        )


@pytest.mark.parametrize("form", FORMS)
def test_parameters_are_counted(form: str) -> None:
    width = SMALL.entropy.embedding_width
    counts = {"mahalanobis": 2 * width, "diagonal": 6, "quadratic": 9, "learned": width}
    assert parameter_count(build(form).config, D) == counts[form]


@pytest.mark.parametrize("form", FORMS)
def test_bits_are_those_of_a_distribution(form: str) -> None:
    prior = build(form)
    logits = prior(normal(4, parameter_count(prior.config, D)), 1, normal(K, D, seed=1)).detach()
    bits = torch.stack([index_bits(logits, torch.full((4,), code)) for code in range(K)], 1)
    torch.testing.assert_close(torch.exp2(-bits).sum(1), torch.ones(4))
    torch.testing.assert_close(bits, -torch.log2(torch.softmax(logits * math.log(2), 1)))


@pytest.mark.parametrize("form", FORMS)
def test_the_log_prior_alone_is_static_coding(form: str) -> None:
    prior, codebook = build(form), normal(K, D)
    usage = torch.randint(0, 100, (3, K), generator=torch.Generator().manual_seed(3)).float()
    prior.start(usage, codebook)
    codes = torch.arange(K)
    for granularity in range(3):
        logits = prior(torch.zeros(K, parameter_count(prior.config, D)), granularity, codebook)
        share = (usage[granularity] + 0.5) / (usage[granularity] + 0.5).sum()
        torch.testing.assert_close(index_bits(logits, codes), -torch.log2(share))


@pytest.mark.parametrize("form", ["diagonal", "quadratic"])
def test_wide_gaussians_leave_static_coding(form: str) -> None:
    prior, codebook = build(form), normal(K, D, scale=0.01)
    prior.start(torch.arange(3.0 * K).view(3, K), codebook)
    parameters = torch.zeros(1, parameter_count(prior.config, D))
    parameters[:, D : 2 * D] = 9
    logits = prior(parameters, 2, codebook)
    torch.testing.assert_close(logits - logits.logsumexp(1), prior.log_prior[2:] - prior.log_prior[2:].logsumexp(1))


def test_learned_features_start_at_polynomials_of_the_codes() -> None:
    prior = IndexPrior(replace(SMALL.entropy, embedding_width=5), K, D)
    codebook = normal(K, D)
    prior.start(torch.ones(3, K), codebook)
    code = (codebook - codebook.mean(0)) / codebook.std(0)
    expected = torch.stack([code[:, 0], code[:, 1], code[:, 2], code[:, 0] ** 2 - 1, code[:, 0] * code[:, 1]], 1)
    torch.testing.assert_close(prior.features.detach(), expected)


def test_without_log_prior_it_stays_zero_and_is_not_trained() -> None:
    prior = IndexPrior(replace(SMALL.entropy, log_prior=False, form="diagonal"), K, D)
    prior.start(torch.arange(3.0 * K).view(3, K), normal(K, D))
    assert not prior.log_prior.any()
    assert not prior.log_prior.requires_grad


def test_a_prior_without_log_prior_ignores_one_that_it_was_started_from() -> None:
    config = replace(SMALL.entropy, form="mahalanobis", embedding="codebook", log_prior=False)
    prior, codebook = IndexPrior(config, K, D), normal(K, D)
    parameters = normal(5, parameter_count(config, D), seed=1)
    before = prior(parameters, 1, codebook)
    prior.load_state_dict({"log_prior": normal(3, K, seed=2)})
    assert torch.equal(prior(parameters, 1, codebook), before)
