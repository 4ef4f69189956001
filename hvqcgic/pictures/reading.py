"""Reading pictures as a viewer shows them: upright, in sRGB, 8 bits, without transparency; and writing them.

Every format of Pillow becomes an array (H, W, 3) of uint8 in sRGB. A `PictureWarning` reports losses: transparency,
further frames of an animation, a damaged colour profile.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from hvqcgic.bitstream import MAX_PIXELS, MAX_SIDE
from hvqcgic.errors import PictureError, PictureWarning
from hvqcgic.files import check_readable_picture, reason

PictureSource = Image.Image | np.ndarray | str | Path

PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""Pillow's mode for each colour space of a profile that pictures are stored in."""

STILL_FORMATS = ("MPO", "PSD")
"""Formats whose further frames are other views or layers of one picture, not an animation."""

PILLOW_FORMATS = {".png": "PNG", ".bmp": "BMP", ".ppm": "PPM", ".tif": "TIFF", ".tiff": "TIFF"}


def allow_large_pictures() -> None:
    """Raise Pillow's size limit to this project's limit; for programs only, as the limit is global."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def read_picture(source: PictureSource) -> np.ndarray:
    """Read a picture as a viewer shows it.

    EXIF orientation is applied, a colour profile is converted to sRGB, 16 bits are reduced to 8, and grey, palette and
    CMYK are converted. Transparency is placed on white, with a warning. One frame of an animation is read, with a
    warning: the first frame, or the current frame of an open Pillow image.

    Args:
        source: a path, a Pillow image (not changed), or an array (H, W, 3) of uint8 in sRGB.

    Returns:
        (H, W, 3), uint8, sRGB; H and W from 1 to 65 536, at most 2^29 pixels.

    Raises:
        PictureError: it cannot be read, is damaged, too large, or of an unsupported kind.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_image(source, "picture")
    path = Path(source)
    check_readable_picture(path)
    with _open(path) as image:
        return _from_image(image, str(path))


def read_grey(path: Path) -> np.ndarray:
    """Read the grey values of a picture file as plain numbers, for example of a mask; a colour profile is ignored.

    EXIF orientation is applied, 1 and 16 bits become 8, one frame of an animation is read with a warning.

    Returns:
        (H, W), uint8; sizes as in `read_picture`.

    Raises:
        PictureError: it cannot be read, has colours, or is transparent somewhere.
    """
    check_readable_picture(path)
    with _open(path) as image:
        values, alpha = _split_alpha(_upright_pixels(image, str(path)), str(path))
    if alpha is not None and not _is_opaque(alpha):
        raise PictureError(f"{path}: parts are transparent, which is no grey value; save it without transparency")
    if values.mode == "L":
        return np.array(values)
    channels = np.array(values.convert("RGB"))
    if (channels != channels[..., :1]).any():
        raise PictureError(f"{path}: has colours, and only grey values count here; save it in grey")
    return channels[..., 0]


def encode_picture(image: Image.Image, suffix: str) -> bytes:
    """Encode a picture file without loss.

    Args:
        image: the picture.
        suffix: one of `hvqcgic.files.LOSSLESS_SUFFIXES`, in upper or lower case.
    """
    buffer = io.BytesIO()
    image.save(buffer, format=PILLOW_FORMATS[suffix.lower()])
    return buffer.getvalue()


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise PictureError(f"array of shape {array.shape} and type {array.dtype}: expected (H, W, 3) of uint8")
    _check_size("array", array.shape[1], array.shape[0])
    # The caller's array may be read-only, and PyTorch warns about read-only arrays.
    return np.array(array, order="C")


def _check_size(name: str, width: int, height: int) -> None:
    size = f"{name}: {width} x {height} pixels"
    if width < 1 or height < 1:
        raise PictureError(f"{size}: there is nothing to compress")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise PictureError(f"{size}: at most {MAX_SIDE} a side and {MAX_PIXELS} in all are taken; scale it down")


def _open(path: Path) -> Image.Image:
    """Open a picture file and read its header."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about sizes far below this project's own limit, which is checked next.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(path)
    except UnidentifiedImageError as error:
        raise PictureError(f"{path}: not a picture that Pillow can read") from error
    except Image.DecompressionBombError as error:
        cure = "scale it down"
        if Image.MAX_IMAGE_PIXELS is not None and Image.MAX_IMAGE_PIXELS < MAX_PIXELS:
            cure = "scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS where the file is trusted"
        raise PictureError(f"{path}: too many pixels ({reason(error)}); {cure}") from error
    except Exception as error:
        raise _unreadable(str(path), error) from error


def _unreadable(name: str, error: Exception) -> PictureError:
    return PictureError(f"{name}: the picture cannot be read, it is damaged or cut short: {reason(error)}")


def _from_image(image: Image.Image, name: str) -> np.ndarray:
    """Convert a Pillow image."""
    colour, alpha = _split_alpha(_upright_pixels(image, name), name)
    colour = _to_srgb(colour, image.info.get("icc_profile"), name)
    if alpha is not None and not _is_opaque(alpha):
        _warn(f"{name}: transparency is laid over white")
        canvas = Image.new("RGB", colour.size, "white")
        canvas.paste(colour, mask=alpha)
        colour = canvas
    return np.array(colour)


def _is_opaque(alpha: Image.Image) -> bool:
    return alpha.getextrema() == (255, 255)


def _upright_pixels(image: Image.Image, name: str) -> Image.Image:
    """Read all pixels of a Pillow image and apply its orientation.

    Pillow's readers may raise almost any exception for a damaged file, so every exception means a damaged file here.
    """
    _check_size(name, image.width, image.height)
    try:
        # The size has been checked against this project's own limit, so Pillow's warning is hidden.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            frames = 1 if image.format in STILL_FORMATS else getattr(image, "n_frames", 1)
            image.load()
    except Exception as error:
        raise _unreadable(name, error) from error
    if frames > 1:
        _warn(f"{name}: animation, only frame {image.tell() + 1} of {frames} is taken")
    return _upright(image, name)


def _warn(message: str) -> None:
    warnings.warn(message, PictureWarning, stacklevel=5)


def _upright(image: Image.Image, name: str) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
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
        return image.convert("RGB")
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
