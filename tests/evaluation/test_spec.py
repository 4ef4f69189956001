"""Specs of codecs."""

from pathlib import Path

import pytest

from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.evaluation.codecs import all_codecs
from hvqcgic.evaluation.spec import CodecSpec, parse_specs


def test_names_variants_and_points() -> None:
    specs = parse_specs(["hvqcgic:tiny@ratios=0.5,0.4,0.1;path=0..1:2", "jpeg@5..80:2", "webp"])
    assert specs.codecs[:2] == (
        CodecSpec("hvqcgic", "tiny", ("ratios=0.5,0.4,0.1", "path=0", "path=1")),
        CodecSpec("jpeg", "", ("quality=5", "quality=80")),
    )
    assert [spec.label for spec in specs.codecs] == ["hvqcgic:tiny", "jpeg", "webp"]
    assert len(specs.codecs[2].points) == 8


def test_a_codec_named_twice_gets_the_points_of_both() -> None:
    assert parse_specs(["jpeg@10", "jpeg@20;10"]).codecs == (CodecSpec("jpeg", "", ("quality=10", "quality=20")),)


def test_a_variant_may_be_a_path_with_signs_that_mean_something(tmp_path: Path) -> None:
    spec = parse_specs([f"hvqcgic:{tmp_path}/a@b:c+d.safetensors@path=0.5"]).codecs[0]
    assert (spec.variant, spec.points) == (f"{tmp_path}/a@b:c+d.safetensors", ("path=0.5",))


@pytest.mark.parametrize(
    ("text", "variant", "points"),
    [
        ("hvqcgic:tiny@bpp=0.1..0.4:2,steps=2", "tiny+steps=2", ("bpp=0.1", "bpp=0.4")),
        (
            "hvqcgic:tiny+rd@bpp=0.1,steps=4,randomness=0.5,seed=7",
            "tiny+rd+steps=4+randomness=0.5+seed=7",
            ("bpp=0.1",),
        ),
        ("hvqcgic:tiny@ratios=0.5,0.4,0.1;path=1,steps=1", "tiny+steps=1", ("ratios=0.5,0.4,0.1", "path=1")),
        ("hvqcgic:tiny+steps=1@ratios=0.5,0.4,0.1", "tiny+steps=1", ("ratios=0.5,0.4,0.1",)),
    ],
)
def test_steps_behind_the_points_are_options_of_the_variant(text: str, variant: str, points: tuple[str, ...]) -> None:
    assert parse_specs([text]).codecs == (CodecSpec("hvqcgic", variant, points),)


def test_steps_alone_leave_the_default_points() -> None:
    spec = parse_specs(["hvqcgic:tiny@steps=2"]).codecs[0]
    assert (spec.label, len(spec.points)) == ("hvqcgic:tiny+steps=2", 8)


def test_published_curves_are_files(tmp_path: Path) -> None:
    file = tmp_path / "vtm.json"
    file.write_text("{}")
    assert parse_specs([f"published:{file}", "jpeg@5"]).published == (file,)
    with pytest.raises(ConfigError, match=r"nothing\.json: there is no such file"):
        parse_specs([f"published:{tmp_path}/nothing.json"])


@pytest.mark.parametrize("name", ["jpg", "hvq", ""])
def test_an_unknown_codec_lists_those_that_exist(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_specs([f"{name}@5"])
    for known in all_codecs():
        assert known in str(caught.value)


def test_every_codec_understands_its_own_default_points() -> None:
    for kind in all_codecs().values():
        assert len(kind.points("")) >= 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hvqcgic:tiny@ratios=0.5,0.4,0.2", "sum to 1.1"),
        ("hvqcgic:tiny@ratios=0.5,0.4", "are 2 numbers; give three"),
        ("hvqcgic:tiny@ratios=a,b,c", "give ratios=F,M,C"),
        ("hvqcgic:tiny@path=2", "path '2' is not allowed"),
        ("cheng2020-anchor@7", "from 1 to 6"),
        ("hvqcgic:tiny@bpp=0.1,steps=2;bpp=0.2", "'bpp=0.1,steps' is unknown"),
        ("jpeg@5,steps=2", "the parameter here is 'quality'"),
    ],
)
def test_points_that_do_not_exist(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_specs([text])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hvqcgic:tiny+static-hufman@path=0", "option 'static-hufman'.*static-huffman"),
        ("hvqcgic:tinny@path=0", "did you mean tiny"),
        ("hvqcgic@path=0", "name a model"),
        ("jpeg:fast@5", "has no variants"),
    ],
)
def test_variants_that_do_not_exist(text: str, words: str) -> None:
    spec = parse_specs([text]).codecs[0]
    with pytest.raises((ConfigError, ModelError), match=words):
        spec.open(spec.points[0], device="cpu")
