"""Comparison of this project's Control-GIC with a fixture of the published code's intermediate results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from control_gic_checkpoint import STATE_PREFIX, Checkpoint
from control_gic_fixture import Comparer, Fixture, Report, is_image, read_fixture
from control_gic_model import COUNTER, build_model
from published_huffman import code_words, streams_of
from rich.console import Console
from rich.progress import track
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.errors import ModelError
from hvqcgic.models import (
    NORM_EPS,
    ControlGicDecoder,
    ControlGicEncoder,
    GranularityMap,
    HvqModel,
    PatchEntropies,
    assemble,
    published_entropies,
    select,
)

FEATURE_LIMIT = 1e-4
PICTURE_LIMIT = 5e-4
BPP_LIMIT = 1e-9
STREAM_NAMES = ("indices_coarse", "indices_medium", "indices_fine", "mask_coarse", "mask_medium")


def fixture_model(fixture: Fixture) -> HvqModel:
    """Build the model in a fixture.

    Raises:
        ModelError: its weights do not fit the network in its metadata.
    """
    state = {k.removeprefix(STATE_PREFIX): v for k, v in fixture.tensors.items() if k.startswith(STATE_PREFIX)}
    stated = fixture.metadata.get("channel_config", {})
    groups = stated.get("group_norm_groups", 32)
    model = build_model(Checkpoint(fixture.path, state), selection="published", groups=groups)
    config, network = model.config, model.config.control_gic
    assert network is not None
    found = {
        "ch": network.width,
        "ch_mult": list(network.multipliers),
        "num_res_blocks": network.blocks,
        "group_norm_eps": NORM_EPS,
        "K": config.codebook_size,
        "d": config.code_width,
    }
    for name, value in (stated | fixture.metadata.get("codebook", {})).items():
        if name in found and found[name] != value:
            raise ModelError(f"{fixture.path}: its metadata say {name} {value}, its weights {found[name]}")
    return model


@torch.inference_mode()
def check(path: Path, *, quiet: bool = True) -> Report:
    """Compare everything in a fixture.

    Args:
        path: of the fixture.
        quiet: show no progress; progress is shown on standard error, and only on a terminal.

    Raises:
        ModelError: the fixture cannot be used.
    """
    fixture = read_fixture(path)
    model, comparer = fixture_model(fixture), Comparer(fixture)
    counts = [int(fixture.tensors[f"{STATE_PREFIX}{COUNTER}{k}"]) for k in range(model.config.codebook_size)]
    words = code_words(counts)
    lengths = torch.tensor([len(word) for word in words], dtype=torch.int32)
    comparer.compare("table", "expect/huffman_code_length", lengths)
    if int(lengths.max()) < 64:
        values = torch.tensor([int(word or "0", 2) for word in words])
        comparer.compare("table", "expect/huffman_code_value", values)
    prefixes = sorted(name.removesuffix("input/image") for name in fixture.tensors if is_image(name))
    for prefix in track(prefixes, "cases", disable=quiet, console=Console(stderr=True), transient=True):
        entropies = compare_case(comparer, model, prefix, words)
        compare_router(comparer, prefix, entropies)
    return comparer.report()


def compare_case(comparer: Comparer, model: HvqModel, prefix: str, words: list[str]) -> PatchEntropies:
    """Compare all steps for one picture, each from our own results of the step before; return its entropies."""
    fixture, case, expect = comparer.fixture, prefix.strip("/") or "case1", f"{prefix}expect/"
    picture = checked_picture(fixture, prefix)
    entropies = published_entropies(picture)
    comparer.compare(case, f"{expect}entropy_16", entropies.of_16, limit=FEATURE_LIMIT)
    comparer.compare(case, f"{expect}entropy_8", entropies.of_8, limit=FEATURE_LIMIT)
    shares = fixture.shares(prefix)
    masks = select(entropies.of_16[0], entropies.of_8[0], **shares)
    for granularity in GRANULARITIES:
        comparer.compare(case, f"{expect}mask_{granularity}", masks[granularity].int())
    encoder = model.encoder
    assert isinstance(encoder, ControlGicEncoder)
    branches = encoder.branches(picture)
    features = {granularity: encoder.quant_conv(y) for granularity, y in branches.items()}
    codes = model.quantise(features, masks)
    for granularity in GRANULARITIES:
        comparer.compare(case, f"{expect}features_{granularity}", branches[granularity], limit=FEATURE_LIMIT)
    hybrid = assemble(branches, masks)
    comparer.compare(case, f"{expect}hybrid_feature", hybrid, limit=FEATURE_LIMIT)
    comparer.compare(case, f"{expect}quantizer_input", assemble(features, masks), limit=FEATURE_LIMIT)
    comparer.compare(case, f"{expect}index_map", assemble(codes.index_maps, masks).int()[:, 0])
    straight = assemble(codes.maps, masks)
    comparer.compare(case, f"{expect}quantized_straight_through", straight, limit=FEATURE_LIMIT)
    indices = dict(zip(GRANULARITIES, codes.quantised.indices.split(codes.counts), strict=True))
    for granularity in GRANULARITIES:
        comparer.compare(case, f"{expect}indices_{granularity}", indices[granularity].int())
    table = model.quantiser.codebook
    maps = {g: table[codes.index_maps[g][:, 0]].permute(0, 3, 1, 2) for g in GRANULARITIES}
    compare_decoder(comparer, model, prefix, assemble(maps, masks), masks)
    compare_streams(comparer, prefix, streams_of(indices, masks, words, fine=fine_share(shares), **shares))
    return entropies


def checked_picture(fixture: Fixture, prefix: str) -> Tensor:
    """Return the picture of a case, (1, 3, H, W), in the network's range.

    Raises:
        ModelError: its shape differs from the metadata, or the network does not support it.
    """
    picture, about = fixture.tensors[f"{prefix}input/image"], fixture.describe(prefix)
    height, width = (about.get(name, size) for name, size in zip(("height", "width"), picture.shape[-2:], strict=True))
    if picture.shape != (1, 3, height, width) or height % 16 or width % 16:
        raise ModelError(
            f"{fixture.path}: {prefix}input/image has shape {tuple(picture.shape)}, expected (1, 3, {height}, {width}) "
            "of multiples of 16"
        )
    return picture.float()


def fine_share(shares: Mapping[str, float]) -> float:
    """The share of fine cells as in the published code, including rounding errors."""
    return 1 - shares["coarse"] - shares["medium"]


def compare_decoder(comparer: Comparer, model: HvqModel, prefix: str, q: Tensor, masks: GranularityMap) -> None:
    """Compare the decoder's results for the codes q, (1, d, H/4, W/4)."""
    case, expect, decoder = prefix.strip("/") or "case1", f"{prefix}expect/", model.decoder
    assert isinstance(decoder, ControlGicDecoder)
    z = decoder.post_quant_conv(q)
    comparer.compare(case, f"{expect}quantized_hybrid", q, limit=FEATURE_LIMIT)
    comparer.compare(case, f"{expect}post_quant", z, limit=FEATURE_LIMIT)
    for granularity in GRANULARITIES:
        name = f"{expect}decoder_branch_{granularity}"
        comparer.asked.add(name)
        if name in comparer.fixture.tensors:
            comparer.compare(case, name, decoder.branch(granularity, z, q), limit=FEATURE_LIMIT)
    comparer.compare(case, f"{expect}reconstruction", decoder.decode(q, masks), limit=PICTURE_LIMIT)


def compare_streams(comparer: Comparer, prefix: str, streams: Mapping[str, bytes]) -> None:
    """Compare the published files of a case, and their bits per pixel; a missing file counts as empty."""
    case, pixels = prefix.strip("/") or "case1", comparer.fixture.tensors[f"{prefix}input/image"][0, 0].numel()
    for name in STREAM_NAMES:
        data = streams.get(name, b"")
        ours = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.zeros(0, dtype=torch.uint8)
        stored = f"{prefix}expect/stream_{name}"
        if data or stored in comparer.fixture.tensors:
            comparer.compare(case, stored, ours)
    bpp = 8 * sum(map(len, streams.values())) / pixels
    comparer.compare_number(case, "bpp", bpp, comparer.fixture.describe(prefix).get("bpp"), limit=BPP_LIMIT)


def compare_router(comparer: Comparer, prefix: str, entropies: PatchEntropies) -> None:
    """Compare the masks of other ratios on a case's entropies, and the counts of constant pictures."""
    about = comparer.fixture.metadata.get("router", {})
    for name, (fine, medium, coarse) in router_cases(comparer.fixture, prefix):
        stated = about.get(name, {})
        shares = {"medium": float(stated.get("medium", medium)), "coarse": float(stated.get("coarse", coarse))}
        masks = select(entropies.of_16[0], entropies.of_8[0], **shares)
        theirs = stated.get("fine_as_computed")
        comparer.compare_number(f"router {fine} {medium} {coarse}", "fine share", fine_share(shares), theirs)
        for granularity in GRANULARITIES:
            key = f"{prefix}router/{name}/mask_{granularity}"
            ours = masks[granularity].to(torch.uint8)
            comparer.compare(f"router {fine} {medium} {coarse}", key, ours, label=f"mask_{granularity}")
    for name, stated in about.items():
        size = re.fullmatch(r"constant_image_(\d+)x(\d+)_(-?[\d.]+)", name)
        if size and not prefix:
            constant = torch.full((1, 3, int(size[1]), int(size[2])), float(size[3]))
            found = published_entropies(constant)
            masks = select(found.of_16[0], found.of_8[0], **comparer.fixture.shares(prefix))
            for granularity, theirs in zip(GRANULARITIES, stated.get("counts", ()), strict=False):
                comparer.compare_number(name, granularity, int(masks[granularity].sum()), theirs)
            theirs = stated.get("entropy_16")
            comparer.compare_number(name, "entropy_16", float(found.of_16.max()), theirs, limit=FEATURE_LIMIT)


def router_cases(fixture: Fixture, prefix: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield names and (fine, medium, coarse) of the ratios whose masks a fixture holds for a case."""
    names = {
        match[1] for key in fixture.tensors if (match := re.fullmatch(rf"{re.escape(prefix)}router/([^/]+)/\w+", key))
    }
    for name in sorted(names):
        try:
            ratios = tuple(float(share) for share in name.split("_"))
        except ValueError:
            ratios = ()
        if len(ratios) == 3:
            yield name, ratios
