import json
from dataclasses import replace

import pytest

from hvqcgic.errors import ConfigError
from hvqcgic.index_priors import Embedding
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.index_prior import parameter_count
from hvqcgic.models.network import HvqModel
from tests.models.small import SMALL, published_config


@pytest.mark.parametrize("config", [ModelConfig(), SMALL], ids=["tiny", "small"])
def test_a_configuration_survives_json(config: ModelConfig) -> None:
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_fields_left_out_have_their_defaults() -> None:
    config = ModelConfig.from_dict({"name": "mine", "entropy": {"embedding_width": 8}})
    assert config == replace(ModelConfig(name="mine"), entropy=replace(ModelConfig().entropy, embedding_width=8))


@pytest.mark.parametrize("form", ["learned", "diagonal", "quadratic"])
def test_older_forms_keep_the_fields_that_their_fingerprints_hash(form: str) -> None:
    older = {"form": form, "rank": 9}
    config = ModelConfig.from_dict({"entropy": older})
    assert config.entropy.embedding_width == 9
    assert config.entropy.learns_embedding == (form == "learned")
    written = config.to_dict()["entropy"]
    assert older.items() <= written.items()
    assert not {"embedding", "embedding_width", "hyperprior"} & set(written)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(("embedding", "count"), [("codebook", 8), ("learned", 18)])
def test_the_mahalanobis_softmax_works_in_either_embedding(embedding: Embedding, count: int) -> None:
    config = replace(ModelConfig().entropy, form="mahalanobis", embedding=embedding, embedding_width=9)
    assert parameter_count(config, 4) == count
    assert replace(ModelConfig(), entropy=config).to_dict()["entropy"]["embedding"] == embedding


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"codebok_size": 3}, "ModelConfig: unknown field 'codebok_size'.*codebook_size"),
        ({"entropy": {"embeding": 3}}, "EntropyConfig: unknown field 'embeding'.*embedding_width"),
        ({"backbone": {"width": 3}}, "BackboneConfig: unknown field 'width'.*encoder_widths"),
    ],
)
def test_an_unknown_field_is_named_with_those_that_there_are(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig.from_dict(values)


def test_a_model_refuses_what_is_no_schedule() -> None:
    with pytest.raises(ConfigError, match="schedule"):
        HvqModel(replace(SMALL, entropy=replace(SMALL.entropy, schedule=("fine", "coarse"))))


@pytest.mark.parametrize(("name", "codes", "limit"), [("tiny", 512, 3_000_000), ("base", 4096, 8_000_000)])
def test_published_models_have_their_size(name: str, codes: int, limit: int) -> None:
    config = published_config(name)
    assert config.name == name
    assert config.codebook_size == codes
    model = HvqModel(config)
    numbers = sum(weight.numel() for weight in model.parameters()) + model.quantiser.codebook.numel()
    assert numbers <= limit


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"codebook_size": 1}, "model.codebook_size is 1; use 2 to 65536"),
        ({"codebook_size": "abc"}, "model.codebook_size is 'abc'; use a whole number, 2 to 65536"),
        ({"entropy_sigma": float("nan")}, "model.entropy_sigma is nan; use a finite number"),
        ({"entropy_sigma": 0}, "model.entropy_sigma is 0; use 0.001 to 10"),
        ({"default_ratios": [2, -1, 0]}, "model.default_ratios is 2; use 0 to 1"),
        ({"default_ratios": [0.5, 0.5, 0.5]}, "model.default_ratios is (0.5, 0.5, 0.5); use three that sum to 1"),
        ({"name": "a\nb"}, "model.name is 'a\\nb'; use 1 to 200 printable characters"),
        ({"backbone": {"encoder_blocks": [10**7, 0, 0, 0]}}, "model.backbone.encoder_blocks is 10000000; use 0 to 32"),
        ({"backbone": {"decoder_widths": [0, 8, 8, 8]}}, "model.backbone.decoder_widths is 0; use 1 to 1024"),
        ({"backbone": {"decoder_widths": [8, 8, 8, 10**6]}}, "model.backbone.decoder_widths is 1000000"),
        ({"backbone": {"decoder_widths": [1024] * 4, "decoder_blocks": [32] * 4}}, "2491 million weights; use 200"),
        ({"backbone": {"condition_fine": "no"}}, "model.backbone.condition_fine is 'no'; use true or false"),
        ({"backbone": 5}, "model.backbone is 5; use a mapping of its fields"),
        ({"entropy": {"weight_bits": "abc"}}, "model.entropy.weight_bits is 'abc'"),
        ({"entropy": {"context_width": 0}}, "model.entropy.context_width is 0; use 1 to 1024"),
        ({"entropy": {"rank": 0}}, "model.entropy.embedding_width is 0"),
        ({"entropy": {"schedule": ["fine"]}}, "schedule ['fine']"),
        ({"entropy": {"form": ["learned"]}}, "model.entropy.form is ['learned']; use one of"),
        ({"control_gic": {"norm_groups": 0}}, "model.control_gic.norm_groups is 0; use 1 to 1024"),
        ({"control_gic": {"multipliers": [1, 2, 2, "4", 4]}}, "model.control_gic.multipliers is '4'"),
        ({"means": {"block_px": 33}}, "model.means.block_px is 33; use one of 32, 64, 128"),
    ],
)
def test_nonsense_is_one_line_before_anything_is_built(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ModelConfig.from_dict(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
