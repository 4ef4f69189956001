import numpy as np
import pytest
from numpy.typing import NDArray

from hvqcgic.entropy.factorised_prior import FactorisedPrior, freeze_pmf, sent_positions
from hvqcgic.entropy.range_coding import RangeDecoder, RangeEncoder
from hvqcgic.errors import BitstreamError, ModelError

PMF = np.array([[0.1, 0.2, 0.4, 0.2, 0.1], [0, 0, 1, 0, 0]])


def test_round_trip_sends_only_where_cells_are() -> None:
    prior = FactorisedPrior(freeze_pmf(PMF))
    mask = np.zeros((6, 9), np.bool_)
    mask[0, 0] = mask[5, 8] = True
    sent = sent_positions(mask)
    np.testing.assert_array_equal(sent, [[1, 0, 0], [0, 0, 1]])
    z = prior.sent(np.random.default_rng(0).integers(-2, 3, (2, 2, 3)), sent)
    assert not z[:, ~sent].any()
    encoder = RangeEncoder()
    bits = prior.encode(encoder, z, sent)
    assert bits > 0
    np.testing.assert_array_equal(prior.decode(RangeDecoder(encoder.finish()), sent), z)


def test_frequencies_are_the_probabilities_and_at_least_one() -> None:
    frequencies = freeze_pmf(PMF)
    np.testing.assert_allclose(frequencies[0] / 2**24, PMF[0], atol=1e-7)
    assert frequencies[1].tolist() == [1, 1, 2**24, 1, 1]


@pytest.mark.parametrize("z", [np.full((2, 1, 1), 3), np.full((2, 1, 1), 0.5), np.full((2, 1, 1), np.nan)])
def test_z_out_of_range_is_refused(z: NDArray) -> None:
    with pytest.raises(ValueError, match="integers from -2 to 2"):
        FactorisedPrior(freeze_pmf(PMF)).sent(z, np.ones((1, 1), np.bool_))


def test_z_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 1, 1\), expected \(2, 1, 1\)"):
        FactorisedPrior(freeze_pmf(PMF)).sent(np.zeros((1, 1, 1)), np.ones((1, 1), np.bool_))


def test_damaged_data_and_tables_are_refused() -> None:
    with pytest.raises(BitstreamError):
        FactorisedPrior(freeze_pmf(PMF)).decode(RangeDecoder(b"\xff" * 12), np.ones((9, 9), np.bool_))
    with pytest.raises(ModelError, match="shape"):
        FactorisedPrior(np.ones((2, 4), np.int32))
    with pytest.raises(ModelError, match=r"1 to 2\^30"):
        FactorisedPrior(np.zeros((2, 5), np.int32))
    with pytest.raises(ModelError, match="finite"):
        freeze_pmf(np.full((1, 3), np.nan))
