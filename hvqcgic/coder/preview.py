"""A picture from the first passes of its file, for previews and incomplete downloads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image

from hvqcgic.bitstream import GRANULARITIES, MAX_PIXELS, MEANS, unpack_start
from hvqcgic.coder.coder import PictureCoder
from hvqcgic.entropy import Completion, read_passes
from hvqcgic.errors import ConfigError


@dataclass(frozen=True)
class Preview:
    """A picture from a part of its file.

    Attributes:
        picture: at its full size.
        passes: names of the passes that were read, in order; all passes of the model if nothing is missing.
        bytes_read: approximate bytes of header, map, hyper-latents and the indices that were read.
        share_read: share of the cells that were read, 0 to 1; the entropy model completes the others.
        checked: whether the file's checksum was present and right. An incomplete file has no checksum, so damage in it
            is not detected.
    """

    picture: Image.Image
    passes: tuple[str, ...]
    bytes_read: int
    share_read: float
    checked: bool


class PreviewCoder(PictureCoder):
    """A coder that also reads the first part of a file."""

    @torch.inference_mode()
    def preview(
        self,
        data: bytes,
        *,
        max_passes: int | None = None,
        partial: bool = False,
        fill: Completion = "mean",
        max_pixels: int = MAX_PIXELS,
    ) -> Preview:
        """Decode a picture from the first passes of an adaptively coded file.

        Args:
            data: the file, or its first part if `partial`.
            max_passes: number of passes to read, from 1; None for all.
            partial: accept an incomplete file and read its available part; without the checksum, damage is not
                detected.
            fill: codes of cells that are not read: "mean" for the mean under the entropy model, "likeliest", or "none"
                for zeros.
            max_pixels: largest accepted picture, width times height.

        Raises:
            ConfigError: the model has fewer passes.
            BitstreamError: the bytes are no `.hvq` file, not coded adaptively, of another model (`ModelMismatch`), or
                end before the first pass does (`Truncated`).
        """
        passes = self._count_passes(max_passes)
        start = unpack_start(data, partial=partial, max_pixels=max_pixels)
        header = start.header
        self.check_fingerprint(header)
        read = read_passes(
            self._entropy,
            (header.grid_height, header.grid_width, header.n_coarse, header.n_medium),
            start.section,
            self.networks.quantiser.codebook.cpu().numpy(),
            whole=start.checked,
            passes=passes,
            fill=fill,
        )
        masks = {g: read.masks[g] for g in GRANULARITIES}
        means = read.z.get(MEANS)
        pixels = self._tiled.reconstruct(
            read.codes, masks, read.parameters, means, height=header.height, width=header.width
        )
        cells = sum(len(codes) for codes in read.codes.values())
        size = min(len(data), start.section_begin + -(-int(read.bits) // 8))
        return Preview(Image.fromarray(pixels), read.passes, size, read.cells_read / cells, start.checked)

    def _count_passes(self, wanted: int | None) -> int:
        have = len(self.config.entropy.schedule)
        if wanted is not None and not 1 <= wanted <= have:
            raise ConfigError(f"{wanted} passes cannot be read: {self.name} has {have}; give 1 to {have}")
        return have if wanted is None else wanted
