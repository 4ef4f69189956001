"""Decoding with the reverse path: a more natural picture from the same file."""

from __future__ import annotations

from functools import cached_property

import torch
from PIL import Image

from hvqcgic.bitstream import GRANULARITIES, MAX_PIXELS, MODES, unpack
from hvqcgic.coder.preview import PreviewCoder
from hvqcgic.coder.tiled_reverse import ReadCells, Sampling, TiledReverse
from hvqcgic.coder.window_size import TileSize
from hvqcgic.errors import BitstreamError, ConfigError, ModelError
from hvqcgic.model_files import FrozenModel, FrozenReverse, check_reverse, find_reverse, read_reverse
from hvqcgic.models import PicturePrecision, check_steps

LARGEST_SEED = 2**63 - 1


class ReverseCoder(PreviewCoder):
    """A coder that can also use the reverse path whose file is beside its model's file."""

    def __init__(
        self, model: FrozenModel, device: torch.device, tile: TileSize = "auto", precision: PicturePrecision = "float32"
    ) -> None:
        """See `PictureCoder`; the file of the reverse path is read when it is first needed."""
        super().__init__(model, device, tile, precision)
        self._source = model.source
        self._tile: TileSize = tile

    @cached_property
    def reverse_path(self) -> FrozenReverse:
        """The frozen reverse path of the model.

        Raises:
            ModelError: there is none, it is damaged, or it belongs to another model.
        """
        if self._source is None:
            raise ModelError(f"model {self.name} was just frozen: a reverse path is read from beside a model's file")
        path = find_reverse(self._source)
        found = read_reverse(path)
        check_reverse(path, found.model_fingerprint, self.name, self.fingerprint)
        return found

    @cached_property
    def _tiled_reverse(self) -> TiledReverse:
        networks = self.reverse_path.reverse_model(self.config, self.device)
        return TiledReverse(networks, self.networks, self.device, self._tile)

    def reverse(
        self, data: bytes, *, steps: int, randomness: float = 1.0, seed: int = 0, max_pixels: int = MAX_PIXELS
    ) -> Image.Image:
        """Decode an adaptively coded file with the reverse path.

        The same file, steps, randomness and seed give the same picture; on another machine, values may differ by 1/255.

        Args:
            data: the whole file.
            steps: number of steps; 1 takes the estimated features, more steps add noise between them; 0 is the plain
                decoder.
            randomness: factor of the noise between steps: 0 for none, 1 as in training.
            seed: of the noise, 0 to 2^63 - 1.
            max_pixels: largest accepted picture, width times height.

        Raises:
            ConfigError: steps, randomness or seed are not allowed, or the tiles are too small.
            ModelError: the model has no reverse path, or its file is damaged or belongs to another model.
            BitstreamError: the bytes are no complete file, not coded adaptively, or of another model (`ModelMismatch`).
        """
        sampling = check_sampling(steps, randomness, seed)
        if not steps:
            return self.reconstruct(self.read(data, max_pixels=max_pixels))
        tiled = self._tiled_reverse
        mode = unpack(data, max_pixels=max_pixels).header.mode
        if mode != MODES[0]:
            raise BitstreamError(
                f"a file coded {mode} lacks the index prior's parameters, which the reverse path needs: use 0 steps, "
                f"or compress with the coding {MODES[0]}"
            )
        encoded = self.read(data, max_pixels=max_pixels, moments=True)
        assert encoded.moments is not None
        mean = {g: moments.mean for g, moments in encoded.moments.items()}
        deviation = {g: moments.deviation for g, moments in encoded.moments.items()}
        masks = {g: encoded.masks[g] for g in GRANULARITIES}
        cells = ReadCells(masks, encoded.indices, mean, deviation, encoded.means)
        return Image.fromarray(tiled.reconstruct(cells, sampling, height=encoded.height, width=encoded.width))


def check_sampling(steps: int, randomness: float, seed: int) -> Sampling:
    """Check steps, randomness and seed; raise `ConfigError` for values that are not allowed."""
    check_steps(steps, randomness)
    if not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(f"seed {seed} is none; use a whole number from 0 to 2^63 - 1")
    return Sampling(steps, randomness, seed)
