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
