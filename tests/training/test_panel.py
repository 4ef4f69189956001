"""What the panel says of lambda, hyperpriors and the index prior, and the change against the start."""

import math

import pytest

from hvqcgic.models.config import EntropyConfig, ModelConfig
from hvqcgic.training.closing import against_start
from hvqcgic.training.panel import bit_prices, embedding_text, expectation, hyperpriors_text
from hvqcgic.training.real_files import FileFigures, reported_ratios
from hvqcgic.training.starts import StartFacts


def figures(bpp: float, distortion: float, *, psnr_db: float = 26.0, lpips: float = 0.1) -> FileFigures:
    sizes = {"adaptive": bpp, "static_arithmetic": 2 * bpp, "static_huffman": 3 * bpp}
    return FileFigures((0.5, 0.4, 0.1), sizes, psnr_db, lpips, distortion)


@pytest.mark.parametrize(
    ("lmbda", "said"),
    [
        (0.01, "A bit is 8 times cheaper than at the 0.08 of the start: expect more bits, slightly better pictures"),
        (0.0, "A bit is free, not at the 0.08 of the start: expect more bits"),
        (0.08, "That is about the 0.08 of the start: expect about as many bits"),
        (0.32, "A bit is 4 times as dear as at the 0.08 of the start: expect fewer bits, worse pictures"),
    ],
)
def test_lambda_is_related_to_that_of_the_start(lmbda: float, said: str) -> None:
    assert said in expectation(lmbda, StartFacts(None, 0.08, ModelConfig()))


def test_prices_of_a_bit_are_those_between_neighbouring_ratios() -> None:
    files = [figures(0.3, 0.02), figures(0.2, 0.04), figures(0.1, 0.08)]
    assert bit_prices(files) == pytest.approx([0.2, 0.4])
    assert not bit_prices([figures(0.3, 0.02), figures(0.3, 0.04)])


def test_hyperpriors_that_the_start_lacks_are_called_new() -> None:
    without, some = ModelConfig(), ModelConfig(entropy=EntropyConfig(z_channels=(0, 4, 4)))
    assert hyperpriors_text(without, None) == "none"
    assert hyperpriors_text(some, StartFacts(None, None, some)) == "coarse none, medium 4 channels, fine 4 channels"
    assert "new: the first step predicts indices exactly as" in hyperpriors_text(some, StartFacts(None, None, without))


def test_the_embedding_space_is_named_with_its_width() -> None:
    codebook = ModelConfig(code_width=4, entropy=EntropyConfig(embedding="codebook"))
    assert embedding_text(codebook) == "mahalanobis, embedding space of the codebook, 4 numbers a code"
    assert embedding_text(ModelConfig()) == "mahalanobis, learned embedding space of 24 numbers a code"


def test_three_ratios_are_reported_and_the_default_is_the_first() -> None:
    assert reported_ratios((0.5, 0.4, 0.1)) == ((0.5, 0.4, 0.1), (0.1, 0.8, 0.1), (0.0, 0.5, 0.5))
    assert reported_ratios((1.0, 0.0, 0.0)) == ((1.0, 0.0, 0.0), (0.1, 0.8, 0.1), (0.0, 0.5, 0.5))


def test_the_change_against_the_start_leaves_out_what_was_not_measured() -> None:
    start, result = figures(0.2, 0.05), figures(0.21, 0.04, psnr_db=26.5, lpips=0.09)
    said = "lambda 0.01 against the start: +5.0 % bits, PSNR +0.50 dB"
    assert against_start(result, start, 0.01) == f"{said}, LPIPS -0.0100 at (0.5, 0.4, 0.1)"
    assert against_start(figures(0.21, 0.04, psnr_db=26.5, lpips=math.nan), start, 0.01) == f"{said} at (0.5, 0.4, 0.1)"
