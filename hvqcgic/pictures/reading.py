"""Reading pictures as a viewer shows them: upright, in sRGB, 8 bits, without transparency.

Every format of Pillow becomes an array (H, W, 3) of uint8 in sRGB. A `PictureWarning` reports losses: transparency,
further frames of an animation, a damaged colour profile.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps

from hvqcgic.bitstream import MAX_PIXELS, MAX_SIDE
from hvqcgic.errors import PictureError, PictureWarning
from hvqcgic.files import reason
from hvqcgic.pictures.metadata import Metadata, depth_loss, describe_loss, metadata_of
from hvqcgic.pictures.sample_bits import depth_factor, refuse_misread, sample_bits
from hvqcgic.pictures.sources import bits_of, opened, unreadable

if TYPE_CHECKING:
    from hvqcgic.pictures.sources import PictureSource

PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""Pillow's mode for each colour space of a profile that pictures are stored in."""

BAND_PIXELS = 2**20
"""Pixels that Pillow hands over at a time, as it makes a second copy of them."""

STILL_FORMATS = ("MPO", "PSD")
"""Formats whose further frames are other views or layers of one picture, not an animation."""


@dataclass(frozen=True)
class Original:
    """A picture as it was given.

    Attributes:
        pixels: (H, W, 3), uint8; sRGB, or of the colour space in `metadata` if that is kept.
        metadata: what goes with it, to be kept; empty otherwise.
        lost: one line about what is not kept; "" for nothing.
    """

    pixels: NDArray[np.uint8]
    metadata: Metadata
    lost: str


def allow_large_pictures() -> None:
    """Raise Pillow's size limit to this project's limit; for programs only, as the limit is global."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def read_picture(source: PictureSource, name: str | None = None) -> NDArray[np.uint8]:
    """Read a picture as a viewer shows it.

    EXIF orientation is applied, a colour profile is converted to sRGB, more than 8 bits a sample are reduced to 8, and
    grey, palette and CMYK are converted. Transparency is placed on white, with a warning. One frame of an animation is
    read, with a warning: the first frame, or the current frame of an open Pillow image.

    Args:
        source: a path, the bytes of a picture file, a binary file object (read from its position to its end), a Pillow
            image (not changed); or, in sRGB, an array (H, W), (H, W, 3) or (H, W, 4) or a tensor (3, H, W) of uint8,
            uint16, or floats from 0 to 1.
        name: of the picture in messages; None for its path, or its kind.

    Returns:
        (H, W, 3), uint8, sRGB; H and W from 1 to 65 536, at most 2^29 pixels.

    Raises:
        KindError: the source is of another kind; the message says what is taken.
        PictureError: it cannot be read, is damaged or too large.
    """
    return read_original(source, name).pixels


def read_original(
    source: PictureSource,
    name: str | None = None,
    *,
    keep: bool = False,
    remedy: str = "metadata='keep'",
    max_pixels: int = MAX_PIXELS,
) -> Original:
    """Read a picture as `read_picture`, and what goes with it.

    Args:
        source: see `read_picture`.
        name: see `read_picture`.
        keep: whether its metadata are kept; the pixels then stay in a colour space that is wider than sRGB.
        remedy: how the caller's user can keep them, for the line about what is lost.
        max_pixels: largest accepted picture, width times height; checked before the pixels are read.

    Raises:
        HvqcgicError: as `read_picture`.
    """
    with opened(source, name) as (image, called):
        if isinstance(image, np.ndarray):
            _check_size(called, image.shape[1], image.shape[0], max_pixels)
            return Original(image, Metadata(), depth_loss(bits_of(source)))
        _check_size(called, image.width, image.height, max_pixels)
        bits = max(sample_bits(image), bits_of(source))
        upright = _upright_pixels(image, called)
        found = metadata_of(image, upright)
        pixels = _from_upright(upright, None if keep and found.icc else image.info.get("icc_profile"), called)
        lost = describe_loss(found, bits=bits, kept=keep, remedy=remedy)
        return Original(pixels, found if keep else Metadata(), lost)


def read_grey(source: Path | bytes) -> NDArray[np.uint8]:
    """Read the grey values of a picture file, by path or bytes, as plain numbers, for example of a mask.

    EXIF orientation is applied, a colour profile is ignored, 1 and 16 bits become 8, one frame of an animation is read
    with a warning.

    Returns:
        (H, W), uint8; sizes as in `read_picture`.

    Raises:
        PictureError: it cannot be read, has colours, or is transparent somewhere.
    """
    with opened(source) as (image, name):
        assert isinstance(image, Image.Image)
        values, alpha = _split_alpha(_upright_pixels(image, name), name)
    if alpha is not None and not _is_opaque(alpha):
        raise PictureError(f"{name}: parts are transparent, which is no grey value; save it without transparency")
    if values.mode == "L":
        return np.array(values)
    channels = np.array(values.convert("RGB"))
    if (channels != channels[..., :1]).any():
        raise PictureError(f"{name}: has colours, and only grey values count here; save it in grey")
    return channels[..., 0]


def _check_size(name: str, width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    size = f"{name}: {width} x {height} pixels"
    if width < 1 or height < 1:
        raise PictureError(f"{size}: there is nothing to compress")
    if max(width, height) > MAX_SIDE or width * height > max_pixels:
        raise PictureError(f"{size}: at most {MAX_SIDE} a side and {max_pixels} in all are taken; scale it down")


def _from_upright(image: Image.Image, profile: bytes | None, name: str) -> NDArray[np.uint8]:
    """Convert an upright Pillow image from its colour profile to sRGB; None takes its numbers as they are."""
    colour, alpha = _split_alpha(image, name)
    colour = _to_srgb(colour, profile, name)
    if alpha is not None and not _is_opaque(alpha):
        _warn(f"{name}: transparency is laid over white")
        canvas = Image.new("RGB", colour.size, "white")
        canvas.paste(colour, mask=alpha)
        colour = canvas
    return _as_array(colour)


def _as_array(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an RGB image, (H, W, 3), as an array of its own."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(BAND_PIXELS // width, 1)
    for first in range(0, height, rows):
        stop = min(first + rows, height)
        pixels[first:stop] = np.asarray(image.crop((0, first, width, stop)))
    return pixels


def _is_opaque(alpha: Image.Image) -> bool:
    return alpha.getextrema() == (255, 255)


def _upright_pixels(image: Image.Image, name: str) -> Image.Image:
    """Read all pixels of a Pillow image and apply its orientation.

    Pillow's readers may raise almost any exception for a damaged file, so every exception means a damaged file here.
    """
    _check_size(name, image.width, image.height)
    refuse_misread(image, name)
    factor = depth_factor(image)
    try:
        # The size has been checked against this project's own limit, so Pillow's warning is hidden.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            frames = 1 if image.format in STILL_FORMATS else getattr(image, "n_frames", 1)
            image.load()
    except Exception as error:
        raise unreadable(name, error) from error
    if frames > 1:
        _warn(f"{name}: animation, only frame {image.tell() + 1} of {frames} is taken")
    upright = _upright(image, name)
    return upright if factor == 1 else upright.point(lambda value: value * factor)


def _warn(message: str) -> None:
    warnings.warn(message, PictureWarning, stacklevel=5)


def _upright(image: Image.Image, name: str) -> Image.Image:
    """Apply the orientation; the image itself if it has none, as a copy of a large one is hundreds of megabytes."""
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception as error:
        _warn(f"{name}: the orientation is ignored, its EXIF data are damaged ({reason(error)})")
        return image


def _split_alpha(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    """Split off transparency; the rest has 8 bits a sample and a mode that colour profiles support."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _reduce_depth(image, name)
    if image.has_transparency_data:
        mode = "L" if image.mode in ("LA", "La", "L", "1") else "RGB"
        # Pillow cannot convert premultiplied grey to RGBA directly.
        full = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return full.convert(mode), full.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    if image.mode not in PROFILE_MODES.values():
        return image.convert("RGB"), None
    return image, None


def _reduce_depth(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    """Round grey of 16 bits (or of floating point from 0 to 1) to 8 bits."""
    values = np.asarray(image)
    top = 1.0 if image.mode == "F" else 65535.0
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= top):
        raise PictureError(f"{name}: grey values from {low:g} to {high:g}: expected 0 to {top:g}; scale them first")
    grey = Image.fromarray(np.rint(values.astype(np.float32) * np.float32(255 / top)).astype(np.uint8))
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return grey, None
    return grey, Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """Convert to RGB, through the embedded colour profile if there is one.

    The conversion is relative colorimetric with black point compensation, the default of photo editors.
    """
    if not profile:
        return image if image.mode == "RGB" else image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = getattr(source.profile, "xcolor_space", "").strip()
        mode = PROFILE_MODES[space]
        if mode != image.mode and "CMYK" in (mode, image.mode):
            raise ValueError(f"it is for {space}, the picture is {image.mode}")
        converted = ImageCms.profileToProfile(
            image if mode == image.mode else image.convert(mode),
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except Exception as error:
        _warn(f"{name}: taken as sRGB, its colour profile cannot be used ({reason(error)})")
        return image.convert("RGB")
    return converted or image.convert("RGB")
