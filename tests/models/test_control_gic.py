"""Control-GIC's networks: names and sizes as published, interfaces as of ours, exact where they save memory or time."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch
from control_gic_model import expected_shapes
from torch import Tensor

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.errors import ConfigError
from hvqcgic.models import control_gic_blocks as blocks
from hvqcgic.models.config import BackboneConfig, ControlGicConfig, ModelConfig
from hvqcgic.models.control_gic_decoder import ControlGicDecoder
from hvqcgic.models.control_gic_encoder import ControlGicEncoder
from hvqcgic.models.decoder import assemble
from hvqcgic.models.network import HvqModel
from tests.control_gic import SMALL_CONTROL_GIC, build
from tests.models.small import CORNERS, code_maps, noise, published_config, random_indices, random_masks

MIXED = ((0.4, 0.35, 0.25), *CORNERS, (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5))


@pytest.fixture(scope="module")
def model() -> HvqModel:
    return build()


def decoder_of(model: HvqModel) -> ControlGicDecoder:
    assert isinstance(model.decoder, ControlGicDecoder)
    return model.decoder


def encoder_of(model: HvqModel) -> ControlGicEncoder:
    assert isinstance(model.encoder, ControlGicEncoder)
    return model.encoder


def reference_decoder(decoder: ControlGicDecoder, q: Tensor, masks: dict[str, Tensor]) -> Tensor:
    """The decoder as described, all stems computed, all maps held."""
    z = decoder.post_quant_conv(q)
    stems = {g: decoder.branch(g, z, q) for g in GRANULARITIES}
    coarse, medium, fine = (masks[g].float() for g in GRANULARITIES)

    def up(mask: Tensor, factor: int) -> Tensor:
        return torch.nn.functional.interpolate(mask, scale_factor=float(factor), mode="nearest")

    def climb(x: Tensor, place: int) -> Tensor:
        level = decoder.up[place]
        return level.upsample(level(x, q))  # pyright: ignore

    x = climb(stems["coarse"], 4) * up(coarse, 2) + stems["medium"] * medium
    x = climb(x, 3)
    x = x * up(coarse, 4) + x * up(medium, 2) + stems["fine"] * fine
    x = decoder.up[0](climb(climb(x, 2), 1), q)
    return decoder.conv_out(torch.nn.functional.silu(decoder.norm_out(x, q)))


def test_weights_have_the_published_names_and_shapes(shared: Path) -> None:
    listed = {}
    for line in (shared / "reference/keys_full.txt").read_text(encoding="utf-8").splitlines():
        name, shape, *_ = line.split("\t")
        if not name.startswith(("ema_", "loss.", "quantize.embedding_counter.")):
            listed[name] = tuple(int(size) for size in re.findall(r"\d+", shape))
    ours = {name: shape for name, (_, shape) in expected_shapes(published_config("control_gic")).items()}
    assert ours == listed


def test_the_published_model_has_its_number_of_weights() -> None:
    with torch.device("meta"):
        model = HvqModel(published_config("control_gic"))
    numbers = {
        name: sum(weight.numel() for weight in part.parameters())
        for name, part in (("encoder", model.encoder), ("decoder", model.decoder))
    }
    assert numbers == {"encoder": 52_351_116 + 20, "decoder": 78_003_715 + 20}


@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 32), (32, 80)])
def test_shapes_are_those_of_the_other_networks(model: HvqModel, height: int, width: int) -> None:
    with torch.no_grad():
        features = model.encoder(noise(2, 3, height, width))
        masks = random_masks(2, height // 16, width // 16)
        codes = model.quantise(features, masks)
        decoded = model.reconstruct(codes.maps, masks)
    assert {g: tuple(y.shape) for g, y in features.items()} == {
        "coarse": (2, 4, height // 16, width // 16),
        "medium": (2, 4, height // 8, width // 8),
        "fine": (2, 4, height // 4, width // 4),
    }
    assert decoded.shape == (2, 3, height, width)


@pytest.mark.parametrize("ratios", MIXED, ids=str)
def test_stems_that_nothing_is_kept_of_are_left_out(model: HvqModel, ratios: tuple[float, float, float]) -> None:
    masks = random_masks(1, 3, 4, ratios=ratios)
    q = assemble(code_maps(model, random_indices(model, masks)), masks)
    with torch.no_grad():
        found = decoder_of(model).decode(q, masks)
        expected = reference_decoder(decoder_of(model), q, {g: masks[g] for g in GRANULARITIES})
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_bands_and_chunks_change_nothing_but_memory(model: HvqModel, monkeypatch: pytest.MonkeyPatch) -> None:
    picture, masks = noise(1, 3, 64, 48), random_masks(1, 4, 3)
    q = assemble(code_maps(model, random_indices(model, masks)), masks)
    with torch.no_grad():
        features, decoded = model.encoder(picture), model.decoder(q, masks)
        monkeypatch.setattr(blocks, "BAND_ELEMENTS", 500)
        monkeypatch.setattr(blocks, "SCORE_ELEMENTS", 700)
        assert blocks.band_height(64 * 48 * 8, 64) == 1
        again, decoded_again = model.encoder(picture), model.decoder(q, masks)
    for granularity in GRANULARITIES:
        torch.testing.assert_close(again[granularity], features[granularity], rtol=0, atol=2e-5)
    torch.testing.assert_close(decoded_again, decoded, rtol=0, atol=2e-5)


def test_attention_is_softmax_over_all_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, keys, values = (noise(2, 12, 5, seed=seed) * 4 for seed in range(3))
    expected = torch.softmax(queries @ keys.transpose(1, 2) * 5**-0.5, 2) @ values
    for scores in (1, 50, 1 << 20):
        monkeypatch.setattr(blocks, "SCORE_ELEMENTS", scores)
        torch.testing.assert_close(blocks.attend(queries, keys, values), expected, rtol=0, atol=1e-5)


def test_every_weight_learns_and_gradients_fit_what_inference_computes() -> None:
    model = build(seed=3)
    picture, masks = noise(1, 3, 48, 64), random_masks(1, 3, 4)
    with torch.no_grad():
        expected = model.reconstruct(model.quantise(model.encoder(picture), masks).maps, masks)
    features = model.encoder(picture)
    codes = model.quantise(features, masks)
    decoded = model.reconstruct(codes.maps, masks)
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-5)
    (decoded - picture).square().mean().backward()
    still = [name for name, w in model.named_parameters() if name.startswith(("encoder", "decoder")) and w.grad is None]
    assert not still
    assert model.decoder.to_picture is decoder_of(model).conv_out


def test_the_input_range_is_what_the_networks_see() -> None:
    unit = build()
    network = dataclasses.replace(SMALL_CONTROL_GIC.control_gic or ControlGicConfig(), input_range="signed")
    signed = build(dataclasses.replace(SMALL_CONTROL_GIC, control_gic=network))
    signed.load_state_dict(unit.state_dict())
    picture, masks = noise(1, 3, 32, 32), random_masks(1, 2, 2)
    q = assemble(code_maps(unit, random_indices(unit, masks)), masks)
    with torch.no_grad():
        torch.testing.assert_close(signed.encoder(picture), unit.encoder(picture * 2 - 1))
        torch.testing.assert_close(signed.decoder(q, masks), unit.decoder(q, masks) * 0.5 + 0.5)
        branches = encoder_of(unit).branches(picture)
    assert set(branches) == set(GRANULARITIES)
    assert (unit.config.input_range, signed.config.input_range, ModelConfig().input_range) == (
        "unit",
        "signed",
        "signed",
    )


def test_a_configuration_without_control_gic_reads_as_it_always_did() -> None:
    assert not {"selection", "control_gic"} & ModelConfig().to_dict().keys()
    for config in (SMALL_CONTROL_GIC, ModelConfig(selection="published"), published_config("control_gic")):
        assert ModelConfig.from_dict(config.to_dict()) == config
    assert published_config("control_gic").control_gic == ControlGicConfig()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 33}, r"widths \(33, .*norm_groups, 32"),
        ({"multipliers": (1, 2, 2, 4)}, "multipliers is .* 5 values"),
        ({"multipliers": (1, 2, 2, 4, 8)}, "two equal ones at the end"),
        ({"blocks": 0}, "blocks is 0; use 1 to 32"),
        ({"attention_levels": (5,)}, "attention_levels is 5; use 0 to 4"),
    ],
)
def test_widths_that_no_such_network_has_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig.from_dict({"control_gic": change})


def test_its_decoder_reads_no_prior() -> None:
    with pytest.raises(ConfigError, match="decoder_prior"):
        ModelConfig(control_gic=ControlGicConfig(), backbone=BackboneConfig(decoder_prior=True))
