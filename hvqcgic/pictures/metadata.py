"""What goes with a picture beside its pixels: EXIF, XMP, the resolution, and the profile of a wide colour space."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, ImageCms

from hvqcgic.pictures.sample_bits import BITS

TIFF_LAYOUT = frozenset(
    (*range(254, 260), 262, 266, 273, *range(277, 285), 296, 317, 320, *range(322, 326), 330, 338, 339, 347, 700, 34675)
)
"""Tags of a TIFF file that say how its pixels are stored, or that are read apart from EXIF."""
WIDER = 1.05
"""Area of a wide colour space in the chromaticity diagram, in units of that of sRGB."""


@dataclass(frozen=True)
class Metadata:
    """Facts about a picture beside its pixels; empty for what it does not have.

    Attributes:
        exif: an EXIF block without the orientation, which is applied to the pixels.
        xmp: an XMP packet.
        icc: the colour profile of a colour space that is wider than sRGB.
        dpi: dots per inch, horizontally and vertically.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    dpi: tuple[float, float] | None = None

    def sections(self) -> dict[str, bytes]:
        """Return the tagged sections of a `.hvq` file by name."""
        dpi = b"" if self.dpi is None else f"{self.dpi[0]:g} {self.dpi[1]:g}".encode()
        found = {"exif": self.exif, "xmp": self.xmp, "icc": self.icc, "resolution": dpi}
        return {name: data for name, data in found.items() if data}

    def info(self) -> dict[str, Any]:
        """Return the entries of a Pillow image's `info`."""
        found = {"exif": self.exif, "xmp": self.xmp, "icc_profile": self.icc, "dpi": self.dpi}
        return {name: value for name, value in found.items() if value}


def metadata_in(sections: Mapping[str, bytes]) -> Metadata:
    """Return what the tagged sections of a `.hvq` file hold; a resolution that is none is left out."""
    return Metadata(
        sections.get("exif", b""),
        sections.get("xmp", b""),
        sections.get("icc", b""),
        _resolution(sections.get("resolution", b"").decode("ascii", "replace").split()),
    )


def metadata_of(image: Image.Image, upright: Image.Image) -> Metadata:
    """Return what a Pillow image holds.

    Args:
        image: as it was opened.
        upright: with its orientation applied, and removed from its XMP.
    """
    icc = image.info.get("icc_profile") or b""
    return Metadata(_exif_of(image), _xmp_of(upright), icc if is_wide(icc) else b"", _resolution(image.info.get("dpi")))


def _exif_of(image: Image.Image) -> bytes:
    try:
        # A copy, because Pillow gives the image's own block.
        exif = Image.Exif()
        exif.load(image.getexif().tobytes())
        exif.pop(ExifTags.Base.Orientation, None)
        for tag in TIFF_LAYOUT if image.format == "TIFF" else ():
            exif.pop(tag, None)
        return exif.tobytes() if len(exif) else b""
    except Exception:
        # Pillow's reader may raise almost any exception for a damaged block.
        return b""


def _xmp_of(image: Image.Image) -> bytes:
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return xmp.encode() if isinstance(xmp, str) else xmp if isinstance(xmp, bytes) else b""


def _resolution(dpi: Any) -> tuple[float, float] | None:
    try:
        x, y = map(float, dpi)
    except (TypeError, ValueError):
        return None
    return (x, y) if 0 < x < math.inf and 0 < y < math.inf else None


def is_wide(icc: bytes) -> bool:
    """Whether a profile is of an RGB colour space wider than sRGB, such as Display P3; False if it is damaged."""
    try:
        own = _area(ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile)
        return own > WIDER * _area(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).profile)
    except Exception:
        # Pillow's reader may raise several exceptions for a damaged profile; one without primaries has none.
        return False


def _area(profile: Any) -> float:
    """Area of the triangle of a profile's primaries in the chromaticity diagram."""
    (ax, ay), (bx, by), (cx, cy) = (
        colorant[1][:2] for colorant in (profile.red_colorant, profile.green_colorant, profile.blue_colorant)
    )
    return abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2


def profile_name(icc: bytes) -> str:
    """Description of a colour profile that `is_wide`."""
    try:
        text = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    except ImageCms.PyCMSError:
        text = ""
    return re.sub(r"\s+", " ", text).strip() or "its colour space"


def depth_loss(bits: int) -> str:
    """Describe in a few words that a picture has more bits a sample than are read; "" for 8 or fewer."""
    return f"{bits} bits a sample become {BITS}" if bits > BITS else ""


def describe_loss(metadata: Metadata, *, bits: int, kept: bool, remedy: str) -> str:
    """Describe in one line what a file does not have of a picture; "" for nothing.

    Args:
        metadata: of the picture.
        bits: of a sample.
        kept: whether the metadata are in the file.
        remedy: how they can be kept.
    """
    named = {"EXIF": metadata.exif, "XMP": metadata.xmp, "the resolution": metadata.dpi}
    lost: list[str] = []
    if not kept:
        dropped = [name for name, value in named.items() if value]
        lost += [f"{' and '.join(dropped)} dropped"] if dropped else []
        lost += [f"colours of {profile_name(metadata.icc)} beyond sRGB are lost"] if metadata.icc else []
    keep = f" ({remedy} keeps them)" if lost else ""
    return "; ".join(text for text in ("; ".join(lost) + keep, depth_loss(bits)) if text)
