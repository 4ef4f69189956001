"""Published networks of CompressAI's zoo with their weights, coded to real bytes.

A file holds width, height and the length of the first stream as variable-length integers, then both streams. Pictures
are padded by edge replication to multiples of 64 pixels and cut again, as CompressAI's own evaluation does.
"""

from __future__ import annotations

import pickle
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from hvqcgic.bitstream import decode_varint, encode_varint
from hvqcgic.evaluation.codecs.base import CodecUnavailable, PictureCodec, Pixels, need_package
from hvqcgic.evaluation.operating_points import Parameter
from hvqcgic.perceptual import WeightsMissing, fetch_weights, import_torchvision

_MULTIPLE_PX = 64
_LATENT_PX = 64
"""Side in pixels of the area of one hyper-latent position."""


class ZooCodec(PictureCodec):
    """A network trained for mean squared error; the variant may name a folder with the published weight files."""

    suffix = ".bin"

    def __init__(self, variant: str, point: str, *, device: str = "cpu") -> None:
        """See `PictureCodec`; without a variant, weights come from torch's cache or are downloaded into it."""
        super().__init__("", point, device=device)
        self._device = device
        self.path = self._find_weights(Path(variant) if variant else None)

    @property
    def fingerprint(self) -> str:
        """Name and size of the weight file; the names of the published files contain a hash."""
        from importlib.metadata import version

        stat = self.path.stat()
        return f"{self.path.name} {stat.st_size} {stat.st_mtime_ns} compressai {version('compressai')}"

    @torch.inference_mode()
    def encode(self, picture: Pixels) -> bytes:
        """Return the bytes of width, height, and the streams of latent and hyper-latent."""
        height, width = picture.shape[:2]
        x = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float().to(self._device) / 255
        padded = F.pad(x, (0, -width % _MULTIPLE_PX, 0, -height % _MULTIPLE_PX), mode="replicate")
        latent, hyper_latent = (streams[0] for streams in self._network.compress(padded)["strings"])
        head = b"".join(encode_varint(number) for number in (width, height, len(latent)))
        return head + latent + hyper_latent

    @torch.inference_mode()
    def decode(self, data: bytes) -> Pixels:
        """Decode a file of `encode`."""
        width, position = decode_varint(data, 0, what="width")
        height, position = decode_varint(data, position, what="height")
        length, position = decode_varint(data, position, what="length of the latent")
        strings = [[data[position : position + length]], [data[position + length :]]]
        shape = torch.Size([-(-height // _LATENT_PX), -(-width // _LATENT_PX)])
        decoded = self._network.decompress(strings, shape)["x_hat"][0, :, :height, :width]
        return (decoded.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()

    @cached_property
    def _network(self) -> Any:
        return _load(self.name, str(self.path), self._device)

    def _find_weights(self, folder: Path | None) -> Path:
        need_package(self.name, "compressai")
        import_torchvision()
        from compressai.zoo.image import model_urls

        url = model_urls[self.name]["mse"][int(self.value)]
        if folder is None:
            try:
                return fetch_weights(url, self.name)
            except WeightsMissing as error:
                raise CodecUnavailable(f"codec {self.name}: {error}, or name a folder: {self.name}:FOLDER") from error
        path = folder / url.rpartition("/")[2]
        if not path.is_file():
            raise CodecUnavailable(f"codec {self.name}: no weights {path}; they are published at {url}")
        return path


@lru_cache(maxsize=8)
def _load(name: str, path: str, device: str) -> Any:
    """Load a network for coding."""
    from compressai.zoo.image import model_architectures
    from compressai.zoo.pretrained import load_pretrained

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = model_architectures[name].from_state_dict(load_pretrained(state)).eval()
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise CodecUnavailable(f"{path}: not usable as weights of {name} ({reason}); get a fresh copy") from error
    network.update()
    return network.to(device)


class Hyperprior(ZooCodec):
    """Balle et al. 2018, scale hyperprior."""

    name: ClassVar[str] = "bmshj2018-hyperprior"
    parameter = Parameter("quality", 1, 8)
    default_points = "1..8"


class MeanScale(ZooCodec):
    """Minnen et al. 2018, mean and scale hyperprior without context."""

    name: ClassVar[str] = "mbt2018-mean"
    parameter = Parameter("quality", 1, 8)
    default_points = "1..8"


class Cheng2020(ZooCodec):
    """Cheng et al. 2020, anchor: residual blocks and an autoregressive context, so coding takes minutes."""

    name: ClassVar[str] = "cheng2020-anchor"
    parameter = Parameter("quality", 1, 6)
    default_points = "1..6"
