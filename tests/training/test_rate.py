"""The estimated rate: its parts, what static coding costs, and how it reaches features and choices."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.entropy import FREQUENCY_BITS
from hvqcgic.index_priors import FORMS
from hvqcgic.models import index_bits
from hvqcgic.models.granularity import GranularityMap, granularity_map
from hvqcgic.models.picture_model import Codes
from hvqcgic.training.rate import (
    arithmetic_lengths,
    charged_bits,
    choose_by_rate,
    estimate_rate,
    huffman_lengths,
    static_bits,
)
from hvqcgic.training.rate_gradient import Pull, pass_features, weights_by_cells
from tests.random_model import RandomModel, random_model, random_picture, small_config
from tests.training.small_training import module, settings


@dataclass(frozen=True)
class Batch:
    """A picture on its way through a model, up to its codes."""

    source: RandomModel
    features: dict[str, Tensor]
    masks: GranularityMap
    codes: Codes


def analyse(form: str) -> Batch:
    source = random_model(small_config(form=form))
    picture = torch.from_numpy(random_picture(64, 64, seed=3)).permute(2, 0, 1)[None].float() / 255
    masks = granularity_map(picture, [(0.5, 0.3, 0.2)], source.model.config.entropy_sigma)
    features = source.model.encoder(picture)
    return Batch(source, features, masks, source.model.quantise(features, masks))


@pytest.fixture(scope="module")
def batch() -> Batch:
    return analyse("learned")


def estimate(batch: Batch, pull: Pull | None = None):
    source = batch.source
    return estimate_rate(source.model, source.priors, batch.features, batch.masks, batch.codes, pull=pull)


def test_bits_of_cells_sum_to_those_of_all_indices(batch: Batch) -> None:
    rate = estimate(batch)
    cells = sum(float(bits.sum()) for bits in rate.cell_bits.values())
    assert cells == pytest.approx(rate.index_bits.item(), rel=1e-5)
    assert rate.pull_bits.item() == 0
    assert rate.z_bits.item() > 0


@pytest.mark.parametrize("form", FORMS)
def test_the_pull_reaches_the_encoder_and_leaves_the_prior_alone(form: str) -> None:
    batch = analyse(form)
    model = batch.source.model
    model.zero_grad()
    estimate(batch, Pull()).pull_bits.backward()
    assert sum(float(w.grad.abs().sum()) for w in model.encoder.parameters() if w.grad is not None) > 0
    assert all(w.grad is None or not w.grad.any() for w in [*model.context.parameters(), *model.prior.parameters()])


def test_a_hard_soft_choice_costs_what_the_indices_cost(batch: Batch) -> None:
    rate = estimate(batch, Pull(tau=1e-5))
    assert rate.pull_bits.item() == pytest.approx(rate.index_bits.item(), rel=1e-3)


def test_what_global_use_would_take_is_not_charged(batch: Batch) -> None:
    hard, relieved = (estimate(batch, Pull(tau=1e-5, usage_weight=share)).pull_bits.item() for share in (0, 0.5))
    # A static code for each granularity, of the indices themselves.
    counts = [torch.bincount(rows) for rows in batch.codes.quantised.indices.split(batch.codes.counts)]
    static = sum(float((torch.log2(n.sum() / n.clamp(min=1)) * n).sum()) for n in counts)
    assert hard - relieved == pytest.approx(static / 2, rel=1e-3)


def test_eta_rises_from_0_over_its_warm_up() -> None:
    made, etas = module("joint", settings(rdo_choice=0.2, rdo_warmup=4)), []
    for made.step_index in (0, 1, 3, 9):
        etas.append(made.eta_now())
    assert etas == pytest.approx([0.05, 0.1, 0.2, 0.2])


def test_an_index_costs_at_most_what_files_charge_and_its_gradient_stays() -> None:
    logits = torch.tensor([[0.0, -3.0, -1e5], [0.0, -3.0, -1e5]], requires_grad=True)
    bits = index_bits(logits, torch.tensor([1, 2]))
    cheapest = math.log2(1 + 2**-3)
    in_files = charged_bits(bits, logits, training=False)
    assert in_files.tolist() == pytest.approx([3 + cheapest, FREQUENCY_BITS + cheapest], rel=1e-5)
    learned = charged_bits(bits, logits, training=True)
    most = FREQUENCY_BITS + cheapest
    assert learned.tolist() == pytest.approx([3 + cheapest, most * (1 + math.log(1e5 / most))], rel=1e-4)
    (gradient,) = torch.autograd.grad(learned.sum(), logits)
    assert gradient[1, 2].item() == pytest.approx(-most / 1e5, rel=1e-3)
    assert gradient[0, 1].item() == pytest.approx(-8 / 9, rel=1e-4)


def test_static_bits_are_the_lengths_of_the_chosen_codes(batch: Batch) -> None:
    usage = batch.source.model.quantiser.usage
    arithmetic, huffman = arithmetic_lengths(usage), huffman_lengths(usage)
    assert torch.exp2(-arithmetic).sum(1).tolist() == pytest.approx([1, 1, 1], rel=1e-5)
    assert torch.exp2(-huffman).sum(1).tolist() == [1, 1, 1]
    parts = batch.codes.quantised.indices.split(batch.codes.counts)
    by_hand = sum(float(huffman[place, row]) for place, rows in enumerate(parts) for row in rows.tolist())
    assert float(static_bits(huffman, batch.codes)) == by_hand


def bits_of(batch: Batch, index_maps: dict[str, Tensor]) -> float:
    """Bits of indices under the prior that the nearest codes give."""
    model, total = batch.source.model, 0.0
    z = {g: v.round() for g, v in model.hyper_latents(batch.features, batch.masks).items()}
    sent = {g: torch.nn.functional.max_pool2d(batch.masks[g].float(), 4, ceil_mode=True) for g in z}
    hints = model.hints({g: z[g] * sent[g] for g in z}, batch.masks)
    parameters = model.pass_parameters(batch.masks, batch.codes.maps, hints)
    for step in model.passes:
        logits = model.prior(parameters[step.name], GRANULARITIES.index(step.granularity), model.quantiser.codebook)
        chosen = index_maps[step.granularity][model.cells(step, batch.masks)]
        shares = torch.log_softmax(logits * np.log(2), 1) / np.log(2)
        total -= shares.gather(1, chosen[:, None]).sum().item()
    return total


def test_choice_by_rate_goes_from_the_nearest_to_the_cheapest_codes(batch: Batch) -> None:
    model = batch.source.model
    by_eta = {eta: choose_by_rate(model, batch.features, batch.masks, batch.codes, eta) for eta in (1e-9, 0.3, 1e9)}
    assert torch.equal(by_eta[1e-9].quantised.indices, batch.codes.quantised.indices)
    bits = [bits_of(batch, codes.index_maps) for codes in (batch.codes, by_eta[0.3], by_eta[1e9])]
    assert bits[0] > bits[1] > bits[2]
    distances = [codes.quantised.commitment.sum().item() for codes in (batch.codes, by_eta[0.3], by_eta[1e9])]
    assert distances[0] < distances[1] < distances[2]
    chosen = by_eta[0.3]
    assert torch.allclose(chosen.quantised.y_hat, model.quantiser.codebook[chosen.quantised.indices], atol=1e-6)
    assert chosen.quantised.y_hat.requires_grad


def test_pass_features_stand_in_the_order_of_the_indices(batch: Batch) -> None:
    model = batch.source.model
    rows = pass_features(model, batch.features, batch.masks)
    indices = model.pass_indices(batch.masks, batch.codes.index_maps)
    for name, y in rows.items():
        nearest = torch.cdist(y, model.quantiser.codebook).argmin(1)
        assert torch.equal(nearest, indices[name])


def two_pictures() -> tuple[RandomModel, dict[str, Tensor], GranularityMap]:
    """A model, the features of two pictures, and a map: one picture almost all fine, one almost all coarse."""
    source = random_model(small_config())
    pictures = np.stack([random_picture(64, 64, seed=seed) for seed in (3, 4)])
    batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    masks = granularity_map(batch, [(0.75, 0.25, 0), (0, 0.25, 0.75)], source.model.config.entropy_sigma)
    return source, {g: y.detach().requires_grad_() for g, y in source.model.encoder(batch).items()}, masks


def test_weights_of_the_pull_belong_to_pictures() -> None:
    source, features, masks = two_pictures()
    codes = source.model.quantise(features, masks)

    def pull(weights: Tensor | None) -> Tensor:
        pull = Pull(weights=weights)
        return estimate_rate(source.model, source.priors, features, masks, codes, pull=pull).pull_bits

    first, second = pull(torch.tensor([1.0, 0.0])), pull(torch.tensor([0.0, 1.0]))
    assert first.item() > second.item() > 0
    assert (first + second).item() == pytest.approx(pull(None).item(), rel=1e-5)
    by_features = torch.autograd.grad(first, [features[g] for g in ("medium", "fine")])
    assert all(bool(gradient[0].any()) and not bool(gradient[1].any()) for gradient in by_features)


def test_the_fewer_cells_a_picture_has_the_more_its_rate_weighs() -> None:
    _, _, masks = two_pictures()
    # Cells for each coarse one: 13 and 1.75; at the default ratios 9.7.
    assert weights_by_cells(masks, (0.5, 0.4, 0.1), 1.0).tolist() == pytest.approx([9.7 / 13, 9.7 / 1.75], rel=1e-5)
    assert weights_by_cells(masks, (0.5, 0.4, 0.1), 0.0).tolist() == [1, 1]
