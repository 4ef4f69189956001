"""The networks between picture and codes, which a codec needs at run time.

picture -> Encoder -> features y_g -> VectorQuantiser -> codes -> ConditionalDecoder -> picture
                          |
                          +-> HyperAnalysis -> hyper-latents z_g

With local means the encoder gets the picture less its means, and the decoder's result is added to them. A proxy decoder
approximates the decoder's picture for the encoder alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvqcgic.bitstream import CELL_PX, GRANULARITIES, MEANS
from hvqcgic.models.backbones import make_backbone
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.decoder import assemble
from hvqcgic.models.granularity import GranularityMap
from hvqcgic.models.hyperprior import hyperprior_named
from hvqcgic.models.means import less_means, local_means, plus_means, spread
from hvqcgic.models.proxy_decoder import ProxyConfig, ProxyDecoder
from hvqcgic.models.quantiser import Quantised, VectorQuantiser


@dataclass(frozen=True)
class Codes:
    """A batch after quantisation; rows are the cells of all pictures, granularity after granularity, in raster order.

    Attributes:
        y: features of the cells, (N, d).
        quantised: their codes, straight-through.
        counts: cells of each granularity (coarse, medium, fine); they sum to N.
        maps: codes laid out per granularity, (B, d, h_g, w_g), 0 at positions without a cell.
        index_maps: indices laid out per granularity, int64, (B, 1, h_g, w_g).
    """

    y: Tensor
    quantised: Quantised
    counts: tuple[int, ...]
    maps: dict[str, Tensor]
    index_maps: dict[str, Tensor]


class PictureModel(nn.Module):
    """Encoder, codebook, decoder and hyper-analyses of one model."""

    def __init__(self, config: ModelConfig, proxy: ProxyConfig | None = None) -> None:
        """Create a model with random weights; `VectorQuantiser.start` initialises the codebook.

        Args:
            config: of the model.
            proxy: of the proxy decoder; None for a model without.
        """
        super().__init__()
        self.config = config
        entropy, d = config.entropy, config.code_width
        self.encoder, self.decoder = make_backbone(config)
        self.proxy = None if proxy is None else ProxyDecoder(proxy, self.decoder)
        self.quantiser = VectorQuantiser(config.codebook_size, d)
        self.z_channels = {g: count for g, count in zip(GRANULARITIES, entropy.z_channels, strict=True) if count}
        self.analysis = nn.ModuleDict(
            {g: hyperprior_named(entropy).analysis(entropy, d, count) for g, count in self.z_channels.items()}
        )

    def features(self, picture: Tensor) -> dict[str, Tensor]:
        """Compute the features of pictures, and the latents of their local means if the model has them.

        Args:
            picture: (B, 3, H, W), in [0, 1]; H and W multiples of 16.
        Returns:
            of the encoder, (B, d, h_g, w_g) each; with local means also "means", see `local_means`.
        """
        if self.config.means is None:
            return self.encoder(picture)
        latents = local_means(self.config.means, picture)
        means = spread(self.config.means, latents, (0, picture.shape[-2]), (0, picture.shape[-1]))
        return {**self.encoder(less_means(picture, means)), MEANS: latents}

    def means_of(self, features: dict[str, Tensor]) -> Tensor | None:
        """The picture of the means for features of `features`, (B, 3, H, W); None for a model without local means."""
        if self.config.means is None:
            return None
        height, width = (side * CELL_PX["fine"] for side in features["fine"].shape[-2:])
        return spread(self.config.means, features[MEANS], (0, height), (0, width))

    def quantise(self, features: dict[str, Tensor], masks: GranularityMap) -> Codes:
        """Quantise all cells.

        Args:
            features: of `Encoder`, (B, d, h_g, w_g) each.
            masks: the granularity map of the batch.
        """
        rows = [features[g].permute(0, 2, 3, 1)[masks[g][:, 0]] for g in GRANULARITIES]
        y = torch.cat(rows)
        return self.lay_out(y, self.quantiser(y), masks)

    def lay_out(self, y: Tensor, quantised: Quantised, masks: GranularityMap) -> Codes:
        """Lay codes and indices out at the positions of their cells.

        Args:
            y: features of the cells, (N, d), in the order of `Codes`.
            quantised: their codes.
            masks: the granularity map of the batch, with N cells in all.
        """
        counts = tuple(int(masks[g].sum()) for g in GRANULARITIES)
        maps, index_maps = {}, {}
        parts = zip(GRANULARITIES, quantised.y_hat.split(counts), quantised.indices.split(counts), strict=True)
        for g, codes, indices in parts:
            maps[g] = scatter_rows(codes, masks[g])
            index_maps[g] = scatter_rows(indices[:, None], masks[g])
        return Codes(y, quantised, counts, maps, index_maps)

    def reconstruct(
        self,
        maps: dict[str, Tensor],
        masks: GranularityMap,
        parameters: Tensor | None = None,
        means: Tensor | None = None,
    ) -> Tensor:
        """Decode codes to a picture.

        Args:
            maps: per granularity, (B, d, h_g, w_g); only masked cells are used.
            masks: the granularity map.
            parameters: the index prior's, (B, P, H/4, W/4), for a decoder that reads them, see `ConditionalDecoder`.
            means: the picture of the means, (B, 3, H, W), see `means_of`; required by a model with local means.
        Returns:
            (B, 3, H, W), about [0, 1], not clamped.
        """
        given = {} if means is None else {"means": means}
        return plus_means(self.decoder(assemble(maps, masks), masks, parameters, **given), means)

    def approximate(self, maps: dict[str, Tensor], masks: GranularityMap, means: Tensor | None = None) -> Tensor:
        """Approximate the decoder's picture by the proxy decoder, which must be there; see `reconstruct`."""
        assert self.proxy is not None
        decoder = self.proxy.checked(self.decoder)
        inputs = decoder.inputs(assemble(maps, masks), masks, means=means)
        return plus_means(self.proxy(decoder.up_to_eighth(inputs, masks), inputs), means)

    def hyper_latents(self, features: dict[str, Tensor], masks: GranularityMap) -> dict[str, Tensor]:
        """Hyper-latents before rounding, for the granularities with a hyperprior.

        Args:
            features: of `Encoder`, (B, d, h_g, w_g) each.
            masks: the granularity map.
        Returns:
            (B, C_z, ceil(h_g / F), ceil(w_g / F)) each, in [-z_limit, z_limit].
        """
        return {g: self.hyper_latent(g, features[g], masks[g]) for g in self.z_channels}

    def hyper_latent(self, granularity: str, y: Tensor, mask: Tensor) -> Tensor:
        """Hyper-latent of one granularity from features, (B, d, h_g, w_g), and mask; shape as in `hyper_latents`."""
        limit = self.config.entropy.z_limit
        return self.analysis[granularity](y, mask).clamp(-limit, limit)


def scatter_rows(rows: Tensor, mask: Tensor) -> Tensor:
    """Lay rows out where a mask is true, with 0 elsewhere.

    Args:
        rows: (N, C), in batch and raster order.
        mask: bool, (B, 1, h, w), with N cells.
    Returns:
        (B, C, h, w).
    """
    cells = mask[:, 0]
    blank = torch.zeros(*cells.shape, rows.shape[1], dtype=rows.dtype, device=rows.device)
    return blank.masked_scatter(cells[..., None], rows).permute(0, 3, 1, 2)
