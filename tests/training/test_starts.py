"""What a training takes of the checkpoints it starts from, on a very small model."""

from pathlib import Path

import pytest
import torch

from hvqcgic.errors import ConfigError
from hvqcgic.models import sent_positions
from hvqcgic.models.granularity import every_size
from hvqcgic.models.index_prior import parameter_count
from hvqcgic.training.config import Stage
from hvqcgic.training.latent_start import WIDTH, start_hyper_latents
from hvqcgic.training.module import HvqModule
from hvqcgic.training.rate import estimate_rate
from hvqcgic.training.starts import load_weights, start_facts
from tests.random_model import small_config
from tests.training.small_training import module, settings, write_checkpoint


def test_of_a_backbone_checkpoint_only_the_backbone_is_taken(tmp_path: Path) -> None:
    fitted, newer = module("joint", settings()), module("joint", settings())
    with torch.no_grad():
        for weight in newer.parameters():
            weight += 1.0
        newer.model.quantiser.codebook += 1.0
    write_checkpoint(tmp_path / "hyperprior.ckpt", fitted, "hyperprior")
    write_checkpoint(tmp_path / "backbone.ckpt", newer, "backbone")
    found = module("joint", settings())
    load_weights(found, [tmp_path / "hyperprior.ckpt", tmp_path / "backbone.ckpt"])
    for name, value in found.state_dict().items():
        backbone = name.startswith(("model.encoder", "model.decoder", "model.quantiser"))
        assert torch.equal(value, (newer if backbone else fitted).state_dict()[name]), name


def test_a_start_that_others_replace_is_refused_in_place_of_being_passed_over(tmp_path: Path) -> None:
    whole, backbone, other = (tmp_path / name for name in ("hyperprior.ckpt", "backbone.ckpt", "other.ckpt"))
    write_checkpoint(whole, module("joint", settings()), "hyperprior")
    for path in (backbone, other):
        write_checkpoint(path, module("joint", settings(adversarial_weight=0.5)), "backbone")
    for paths in ([backbone, whole], [backbone, other]):
        with pytest.raises(ConfigError, match=r"--init .*backbone.ckpt: later files replace all of its") as caught:
            load_weights(module("joint", settings()), paths)
        assert "\n" not in str(caught.value)
    load_weights(module("joint", settings()), [backbone], stage_before=[whole])


def test_a_decoder_that_reads_the_prior_starts_as_one_that_does_not(tmp_path: Path) -> None:
    source = module("joint", settings())
    write_checkpoint(tmp_path / "plain.ckpt", source, "joint")
    found = HvqModule(small_config(decoder_prior=True), settings(), "joint", None)
    load_weights(found, [tmp_path / "plain.ckpt"])
    masks = every_size(y := torch.rand(1, 4, 8, 8))
    config = found.model.config
    told = torch.randn(1, parameter_count(config.entropy, config.code_width), 8, 8)
    assert torch.equal(found.model.decoder(y, masks, told), source.model.decoder(y, masks))
    narrow = HvqModule(small_config(), settings(), "joint", None)
    write_checkpoint(tmp_path / "reads.ckpt", found, "joint")
    with pytest.raises(ConfigError, match="another shape; train with the model options of that run"):
        load_weights(narrow, [tmp_path / "reads.ckpt"])


def test_new_hyperpriors_leave_the_predictions_as_they_were(tmp_path: Path) -> None:
    source = HvqModule(small_config(z_channels=(0, 0, 0)), settings(), "joint", None)
    with torch.no_grad():
        source.model.prior.log_prior.normal_()
    source.model.quantiser.start(torch.randn(500, 4), torch.Generator())
    write_checkpoint(tmp_path / "without.ckpt", source, "joint")
    found = HvqModule(small_config(z_channels=(1, 2, 1)), settings(), "joint", None)
    load_weights(found, [tmp_path / "without.ckpt"])
    picture = torch.rand(2, 3, 64, 80)
    masks = source.masks(picture, torch.Generator().manual_seed(0))
    rates = []
    for each in (source, found):
        each.eval()
        features = each.model.encoder(picture)
        codes = each.model.quantise(features, masks)
        rates.append(estimate_rate(each.model, each.priors, features, masks, codes))
    assert rates[0].index_bits.item() > 0
    torch.testing.assert_close(rates[1].index_bits, rates[0].index_bits, rtol=1e-5, atol=0)
    assert rates[1].z_bits.item() > 0
    # The hints are learned: their weights are 0, and have a gradient.
    rates[1].index_bits.backward()
    first = found.model.context_of(found.model.passes[-1]).get_parameter("0.convolution.weight")
    hints = small_config().entropy.synthesis_channels
    assert not first[:, :hints].any()
    assert first.grad is not None
    assert first.grad[:, :hints].abs().sum() > 0


def test_new_hyper_latents_start_wider_than_a_step_of_rounding_and_trained_ones_stay(tmp_path: Path) -> None:
    source = HvqModule(small_config(z_channels=(0, 0, 0)), settings(), "joint", None)
    source.model.quantiser.start(torch.randn(500, 4), torch.Generator())
    write_checkpoint(tmp_path / "without.ckpt", source, "joint")
    found = HvqModule(small_config(z_channels=(1, 2, 0)), settings(), "joint", None)
    load_weights(found, [tmp_path / "without.ckpt"])
    assert found.new_latents == {"coarse", "medium"}
    picture = torch.rand(4, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    masks, features = found.masks(picture, torch.Generator().manual_seed(0)), found.features(picture)
    before = found.model.hyper_latents(features, masks)
    assert all(float(z.detach().std()) < 0.5 for z in before.values())
    with torch.autocast("cpu", torch.bfloat16):
        start_hyper_latents(found.model, features, masks, found.new_latents - {"medium"})
    for g, z in found.model.hyper_latents(features, masks).items():
        values = z.detach().permute(0, 2, 3, 1)[sent_positions(masks[g])[:, 0]]
        if g == "medium":
            assert torch.equal(z, before[g])
        else:
            assert values.std(0).tolist() == pytest.approx([WIDTH], rel=1e-3)
            assert values.mean(0).tolist() == pytest.approx([0], abs=1e-3)
    write_checkpoint(tmp_path / "with.ckpt", found, "joint")
    again = HvqModule(small_config(z_channels=(1, 2, 0)), settings(), "joint", None)
    load_weights(again, [tmp_path / "with.ckpt"])
    assert not again.new_latents


@pytest.mark.parametrize("stage", ["hyperprior", "joint"])
def test_without_trained_entropy_networks_the_prior_starts_from_usage(tmp_path: Path, stage: Stage) -> None:
    source = module("joint", settings())
    write_checkpoint(tmp_path / "backbone.ckpt", source, "backbone")
    found = HvqModule(source.model.config, settings(), stage, None)
    load_weights(found, [tmp_path / "backbone.ckpt"])
    usage = source.model.quantiser.usage + 0.5
    config = found.model.config
    zeros = torch.zeros(1, parameter_count(config.entropy, config.code_width))
    for place, counts in enumerate(usage):
        logits = found.model.prior(zeros, place, found.model.quantiser.codebook)
        torch.testing.assert_close(logits[0], torch.log2(counts / counts.sum()))


def test_what_cannot_be_started_from_is_named(picture_folder: Path, tmp_path: Path) -> None:
    joint = module("joint", settings())
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    write_checkpoint(tmp_path / "wide.ckpt", HvqModule(small_config(), settings(), "joint", None), "joint")
    for name in ("missing.ckpt", "text.ckpt", "other.ckpt"):
        with pytest.raises(ConfigError, match=f"{name}: not a checkpoint of hvqcgic") as caught:
            load_weights(joint, [tmp_path / name])
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="stage joint needs a trained backbone"):
        load_weights(HvqModule(small_config(), settings(), "joint", None), [])
    wider = small_config().to_dict() | {"code_width": 6}
    with pytest.raises(ConfigError, match="another shape; train with the model options of that run"):
        load_weights(
            HvqModule(type(small_config()).from_dict(wider), settings(), "joint", None), [tmp_path / "wide.ckpt"]
        )


@pytest.mark.parametrize(("name", "lmbda"), [("tiny", 0.1), ("tiny-hvq", 0.25), ("tiny-frozen", None)])
def test_a_bundled_model_says_at_which_lambda_it_was_trained(name: str, lmbda: float | None) -> None:
    facts = start_facts(Path(name))
    assert (facts.stage, facts.lmbda, facts.codes_files) == (None, lmbda, True)
    assert facts.config.codebook_size == 512


@pytest.mark.parametrize("stage", ["backbone", "hyperprior"])
def test_a_checkpoint_without_joint_training_has_no_lambda(tmp_path: Path, stage: Stage) -> None:
    path = tmp_path / f"{stage}.ckpt"
    write_checkpoint(path, module(stage, settings()), stage)
    facts = start_facts(path)
    assert (facts.stage, facts.lmbda, facts.codes_files) == (stage, None, stage != "backbone")
