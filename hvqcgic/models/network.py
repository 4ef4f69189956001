"""The whole model as one module, for training and checkpoints.

features y_g -> HyperAnalysis -> z_g -> hyper-synthesis -+
                                          codes so far --+-> context passes -> IndexPrior -> bits of the indices
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from hvqcgic.bitstream import CELL_PX, GRANULARITIES, MEANS, Pass, parse_schedule
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.context import context_network, gather_parameters, pass_cells, pass_input, without_codes
from hvqcgic.models.decoder import assemble
from hvqcgic.models.granularity import GranularityMap
from hvqcgic.models.hyperprior import hyperprior_named, means_synthesis, sent_positions
from hvqcgic.models.index_prior import IndexPrior, code_moments, parameter_count
from hvqcgic.models.picture_model import PictureModel
from hvqcgic.models.sequential import ClampedConv, describe

Cells = dict[str, Tensor]
"""Values of the cells of each granularity on its grid, (B, C, h_g, w_g)."""


class HvqModel(PictureModel):
    """The picture networks, and the networks that predict indices."""

    def __init__(self, config: ModelConfig) -> None:
        """Create a model with random weights.

        Raises:
            ConfigError: the schedule is invalid.
        """
        super().__init__(config)
        entropy = config.entropy
        self.passes = parse_schedule(entropy.schedule)
        synthesis = hyperprior_named(entropy).synthesis
        self.synthesis = nn.ModuleDict({g: synthesis(entropy, count) for g, count in self.z_channels.items()})
        means = config.means
        self.means_synthesis = nn.ModuleDict(
            {g: means_synthesis(means, means.block_px // CELL_PX[g]) for g in GRANULARITIES} if means else {}
        )
        networks = {
            step.name: context_network(
                entropy,
                step,
                code_width=config.code_width,
                hints=self.hint_count(step.granularity),
                outputs=parameter_count(entropy, config.code_width),
            )
            for step in self.passes
        }
        self.context = nn.ModuleDict({name.replace("/", "_"): network for name, network in networks.items()})
        self.prior = IndexPrior(entropy, config.codebook_size, config.code_width)
        for layer in self.modules():
            if isinstance(layer, ClampedConv):
                layer.limit = entropy.activation_limit

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Weights that reconstruct pictures."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def entropy_parameters(self) -> list[nn.Parameter]:
        """Weights that predict indices."""
        parts = (self.analysis, self.synthesis, self.means_synthesis, self.context, self.prior)
        return [weight for part in parts for weight in part.parameters() if weight.requires_grad]

    def context_of(self, step: Pass) -> nn.Sequential:
        """The network of a pass."""
        network = self.context[step.name.replace("/", "_")]
        assert isinstance(network, nn.Sequential)
        return network

    def hint_count(self, granularity: str) -> int:
        """S: channels of the hyper-syntheses that the contexts of a granularity read."""
        own = self.config.entropy.synthesis_channels if granularity in self.z_channels else 0
        return own + (self.config.means.hint_channels if self.config.means else 0)

    def described_context(self, step: Pass) -> list[tuple[object, ...]]:
        """The network of a pass as plain tuples, see `describe`; blind to codes where the model has no context."""
        network = copy.deepcopy(self.context_of(step))
        if not self.config.entropy.context:
            without_codes(network, self.hint_count(step.granularity), self.config.code_width)
        return describe(network)

    def hints(self, z: dict[str, Tensor], masks: GranularityMap) -> dict[str, Tensor]:
        """Outputs of the hyper-syntheses for each granularity with a hyperprior.

        Args:
            z: rounded hyper-latents, (B, C_z, ceil(h_g / F), ceil(w_g / F)), 0 where they are not sent; local means
                as "means".
            masks: the granularity map, for the sizes of its grids.
        Returns:
            (B, S, h_g, w_g) each: hints of the granularity's own latent, then those of local means.
        """
        parts: dict[str, list[Tensor]] = {g: [self.synthesis[g](z[g])] for g in self.synthesis}
        for g in self.means_synthesis:
            parts.setdefault(g, []).append(self.means_synthesis[g](z[MEANS]))
        sizes = {g: masks[g].shape[-2:] for g in parts}
        return {g: torch.cat([p[..., : sizes[g][0], : sizes[g][1]] for p in own], 1) for g, own in parts.items()}

    def pass_parameters(
        self, masks: GranularityMap, codes: dict[str, Tensor], hints: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The index prior's parameters of every pass's cells.

        Args:
            masks: the granularity map.
            codes: per granularity, (B, d, h_g, w_g).
            hints: of `hints`.
        Returns:
            by the pass's name, (N_pass, P), in batch and raster order; they depend only on codes of earlier passes.
        """
        found, sees_codes = {}, self.config.entropy.context
        for step in self.passes:
            told = pass_input(step, masks, codes, hints.get(step.granularity), with_codes=sees_codes)
            raw = self.context_of(step)(told)
            found[step.name] = gather_parameters(step, raw, masks[step.granularity])
        return found

    def predict(self, features: Cells, masks: GranularityMap, codes: Cells) -> dict[str, Tensor]:
        """`pass_parameters` with the hyper-latents that are sent, as in a decoder.

        Args:
            features: of `Encoder`, (B, d, h_g, w_g) each.
            masks: the granularity map.
            codes: per granularity, (B, d, h_g, w_g).
        """
        latents = self.hyper_latents(features, masks)
        z = {
            g: values.round() * sent_positions(masks[g], self.config.entropy.z_footprint)
            for g, values in latents.items()
        }
        z |= {MEANS: features[MEANS]} if MEANS in features else {}
        return self.pass_parameters(masks, codes, self.hints(z, masks))

    def cells(self, step: Pass, masks: GranularityMap) -> Tensor:
        """Mask of a pass's cells, bool, (B, 1, h_g, w_g)."""
        return pass_cells(step, masks[step.granularity])

    def pass_indices(self, masks: GranularityMap, index_maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """The indices of every pass's cells, int64, (N_pass,), in the order of `pass_parameters`.

        Args:
            masks: the granularity map.
            index_maps: per granularity, (B, 1, h_g, w_g), see `Codes`.
        """
        return {step.name: index_maps[step.granularity][self.cells(step, masks)] for step in self.passes}

    def assemble_parameters(self, parameters: dict[str, Tensor], masks: GranularityMap) -> Tensor:
        """Assemble the parameters of all cells on the fine grid, for a decoder that reads them.

        Args:
            parameters: of `pass_parameters`.
            masks: the granularity map.
        Returns:
            (B, P, H/4, W/4).
        """
        return assemble(self._lay_out_passes(parameters, masks), masks)

    def expected_codes(self, parameters: dict[str, Tensor], masks: GranularityMap) -> tuple[Cells, Cells]:
        """Mean and standard deviation of the code of every cell under the prior.

        Args:
            parameters: of `pass_parameters`.
            masks: the granularity map.
        Returns:
            per granularity, (B, d, h_g, w_g) each, 0 at positions without a cell.
        """
        found = {}
        for step in self.passes:
            place = GRANULARITIES.index(step.granularity)
            logits = self.prior(parameters[step.name], place, self.quantiser.codebook)
            found[step.name] = torch.cat(code_moments(logits, self.quantiser.codebook), 1)
        both = {g: values.chunk(2, 1) for g, values in self._lay_out_passes(found, masks).items()}
        return {g: mean for g, (mean, _) in both.items()}, {g: deviation for g, (_, deviation) in both.items()}

    def _lay_out_passes(self, rows: dict[str, Tensor], masks: GranularityMap) -> Cells:
        """Lay rows of every pass's cells, (N_pass, C), out on the grids of their granularities, (B, C, h_g, w_g)."""
        width = next(iter(rows.values())).shape[1]
        maps = {}
        for g in GRANULARITIES:
            batch, _, h, w = masks[g].shape
            plane = torch.zeros(batch, h, w, width, device=masks[g].device)
            for step in self.passes:
                if step.granularity == g:
                    cells = self.cells(step, masks)[:, 0, :, :, None]
                    plane = plane.masked_scatter(cells, rows[step.name])
            maps[g] = plane.permute(0, 3, 1, 2)
        return maps
