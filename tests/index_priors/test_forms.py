"""Every form of the index prior: its two twins agree, and its bounds hold."""

import math

import numpy as np
import pytest
import torch

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.entropy.index_prior import IndexPrior as ExactPrior
from hvqcgic.entropy.index_prior import freeze_prior
from hvqcgic.errors import ConfigError
from hvqcgic.index_priors import FORMS, form_named

K, WIDTH, CELLS, ACTIVATION_BITS = 37, 4, 200, 12


def cell_numbers(form: str, generator: torch.Generator) -> torch.Tensor:
    """Numbers on the grid of a frozen network's output: means among the codes, sigma from 1/8 to 2."""
    count = form_named(form).parameter_count(WIDTH)
    numbers = torch.randn(CELLS, count, generator=generator, dtype=torch.float64)
    if count > WIDTH:
        numbers[:, WIDTH : 2 * WIDTH] = torch.rand(CELLS, WIDTH, generator=generator, dtype=torch.float64) * 4 - 3
    return torch.round(numbers * 2**ACTIVATION_BITS) / 2**ACTIVATION_BITS


@pytest.mark.parametrize("name", FORMS)
def test_the_twins_of_a_form_agree(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    codes = torch.randn(K, WIDTH, generator=generator, dtype=torch.float64)
    log_prior = torch.randn(3, K, generator=generator, dtype=torch.float64)
    parameters = cell_numbers(name, generator)
    exact = ExactPrior(
        *freeze_prior(name, codebook=codes.numpy(), log_prior=log_prior.numpy(), features=codes.numpy()),
        activation_bits=ACTIVATION_BITS,
    )
    for place, granularity in enumerate(GRANULARITIES):
        chunks = exact.chunks(parameters * 2**ACTIVATION_BITS, granularity)
        frequencies = np.concatenate([chunk.frequencies.copy() for chunk in chunks])
        found = -np.log2(frequencies / frequencies.sum(1, keepdims=True))
        logits = form_named(name).logits(parameters, codes) + log_prior[place]
        expected = -torch.log_softmax(logits * math.log(2), 1).numpy() / math.log(2)
        # Codes within 12 bits of the cheapest decide the size of files; sigma is cut to 1/32 octave.
        close = expected < 12
        assert np.abs(found - expected)[close].mean() < 0.08
        assert close.sum() > CELLS


@pytest.mark.parametrize("name", FORMS)
def test_the_largest_terms_bound_every_cell(name: str) -> None:
    form = form_named(name)
    codes = torch.randn(K, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    spec, arrays = freeze_prior(name, codebook=codes.numpy(), log_prior=None, features=codes.numpy())
    grid = ExactPrior(spec, arrays, activation_bits=ACTIVATION_BITS).grid
    count = form.parameter_count(WIDTH)
    signs = torch.randint(-1, 2, (500, count), generator=torch.Generator().manual_seed(7)).double()
    terms = form.cell_terms(signs * 2.0 ** (ACTIVATION_BITS + 5), grid)
    assert bool((terms.abs() <= form.largest_terms(grid)).all())
    assert torch.equal(terms, terms.round())
    assert terms.shape[1] == len(form.code_terms(codes))


def test_an_unknown_form_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="'cubic' is unknown; choose mahalanobis, diagonal, quadratic, learned"):
        form_named("cubic")
