"""Cells of training pictures by distortion: the encoder's maps, for the drawn share, with a proxy decoder alone."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

import hvqcgic
from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.model_files.frozen_model import read_model
from hvqcgic.models.granularity import GranularityMap
from hvqcgic.models.network import HvqModel
from hvqcgic.models.proxy_decoder import ProxyConfig, ProxyDecoder
from hvqcgic.models.ratios import Ratios
from hvqcgic.models.selection import information_density, select_cells
from hvqcgic.training.cells import cells_by_distortion, replaced, uniform_map
from hvqcgic.training.thaw import thaw_networks
from tests.random_model import random_picture
from tests.training.small_training import Recorder, module, settings

RATIOS = [(0.2, 0.5, 0.3), (0.5, 0.4, 0.1)]


def pictures(count: int, side: int = 64) -> torch.Tensor:
    found = [torch.from_numpy(random_picture(side, side, seed=seed)).permute(2, 0, 1) for seed in range(count)]
    return torch.stack(found).float() / 255


def stage(share: float, *, proxy: bool = True) -> Recorder:
    made = module("joint", settings(rd_share=share))
    if proxy:
        torch.manual_seed(1)
        made.model.proxy = ProxyDecoder(ProxyConfig(width=8, blocks=1), made.model.decoder)
    return made


def drawn_cells(made: Recorder, picture: torch.Tensor) -> tuple[GranularityMap, GranularityMap, GranularityMap]:
    """Cells of a step; those by density alone, and those by distortion alone."""
    generator, features = torch.Generator(), made.features(picture)
    found = made.cells(picture, features, generator.manual_seed(3))
    ratios = made.ratios(len(picture), generator.manual_seed(3))
    density = select_cells(made.model.config, picture, ratios)
    if made.model.proxy is None:
        return found, density, density
    return found, density, by_distortion(made.model, picture, features, ratios)


def by_distortion(
    model: HvqModel, picture: torch.Tensor, features: dict[str, torch.Tensor], ratios: Sequence[Ratios]
) -> GranularityMap:
    return cells_by_distortion(model, picture, features, information_density(model.config, picture).of_8, ratios)


def same(first: GranularityMap, second: GranularityMap) -> torch.Tensor:
    """For each picture whether both maps are equal."""
    return torch.stack([(first[g] == second[g]).flatten(1).all(1) for g in GRANULARITIES]).all(0)


def test_the_maps_are_those_of_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    codec, model = hvqcgic.load("tiny"), thaw_networks(read_model("tiny")).eval()
    # The encoder rounds decoded pixels, which decides close calls; nothing else differs.
    decoded = model.approximate
    monkeypatch.setattr(model, "approximate", lambda *parts: decoded(*parts).clamp(0, 1).mul(255).round().div(255))
    pixels = [random_picture(96, 128, seed=seed) for seed in (0, 1)]
    picture = torch.stack([torch.from_numpy(each).permute(2, 0, 1) for each in pixels]).float() / 255
    with torch.no_grad():
        features = model.features(picture)
    found = by_distortion(model, picture, features, RATIOS)
    for item, (each, ratios) in enumerate(zip(pixels, RATIOS, strict=True)):
        masks = codec.encode(each, ratios=ratios, granularity="rd").masks
        density = codec.encode(each, ratios=ratios, granularity="entropy").masks
        own = found.fine[item, 0].numpy()
        assert np.mean(own == masks.fine) > 0.97 > np.mean(density.fine == masks.fine)


def test_each_map_covers_its_picture_once() -> None:
    made, picture = stage(1.0), pictures(2)
    found = by_distortion(made.model, picture, made.features(picture), RATIOS)
    covered = sum(
        found[g].repeat_interleave(n, 2).repeat_interleave(n, 3).int()
        for g, n in zip(GRANULARITIES, (4, 2, 1), strict=True)
    )
    assert bool((torch.as_tensor(covered) == 1).all())


def test_a_share_of_the_pictures_has_cells_by_distortion() -> None:
    picture = pictures(8)
    found, density, distortion = drawn_cells(stage(0.5), picture)
    assert not same(density, distortion).any()
    assert bool((same(found, density) ^ same(found, distortion)).all())
    assert 0 < int(same(found, distortion).sum()) < 8
    found, _, distortion = drawn_cells(stage(1.0), picture)
    assert bool(same(found, distortion).all())


@pytest.mark.parametrize(("share", "proxy"), [(0.0, True), (1.0, False)])
def test_without_a_share_or_a_proxy_all_cells_are_by_density(share: float, proxy: bool) -> None:
    found, density, _ = drawn_cells(stage(share, proxy=proxy), pictures(4))
    assert bool(same(found, density).all())


def test_replaced_maps_stand_at_their_places() -> None:
    made, picture = stage(0.0), pictures(3)
    features = made.features(picture)
    fine, coarse = uniform_map(features, "fine"), uniform_map({g: f[:2] for g, f in features.items()}, "coarse")
    found = replaced(fine, [0, 2], coarse)
    assert found.coarse.flatten(1).all(1).tolist() == [True, False, True]
    assert found.fine.flatten(1).any(1).tolist() == [False, True, False]
