"""Pictures: read with care, written anew without what cameras note in them, and kept where that gains nothing."""

from __future__ import annotations

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from a2a_node.model.errors import InvalidInput

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}
MOST_BYTES, MOST_PIXELS = 32 * 2**20, 40_000_000
NOTES = ("exif", "xmp", "XML:com.adobe.xmp", "comment", "photoshop")  # place and time, camera, names
QUALITY = 88
BROKEN = (OSError, ValueError, SyntaxError, EOFError, UnidentifiedImageError)


def optimised(field: str, data: bytes, suffix: str) -> bytes:
    """The picture in the fewest bytes that were found, without its notes; InvalidInput for what is none, or a bomb.

    It is turned as its notes say. One that moves is left as it is. One with notes is written anew in any case.
    """
    kind = FORMATS[suffix]
    if len(data) > MOST_BYTES:
        raise InvalidInput(field, f"has {len(data):,} bytes, the limit of a picture is {MOST_BYTES:,}")
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as image:
            _check_size(field, image)
            image.load()
            if getattr(image, "is_animated", False):
                return data
            fresh, noted = _written(image, kind), bool(set(NOTES) & set(image.info))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb(field, "more pixels than a picture has") from None
    except BROKEN:
        raise InvalidInput(field, f"is no {kind} picture that can be read; export it again") from None
    return fresh if noted or len(fresh) < len(data) else data


def _check_size(field: str, image: Image.Image) -> None:
    """Before anything is unpacked: the head says how much that would be."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise _bomb(field, f"{width:,} by {height:,} pixels")


def _bomb(field: str, what: str) -> InvalidInput:
    return InvalidInput(field, f"has {what}; the limit is {MOST_PIXELS:,} pixels in all, so make it smaller")


def _written(image: Image.Image, kind: str) -> bytes:
    """The picture written anew, its colours as they were."""
    turned = ImageOps.exif_transpose(image)
    profile = image.info.get("icc_profile")
    if kind == "JPEG":
        same = turned.size == image.size and image.getexif().get(0x0112, 1) == 1
        options: dict[str, object] = {"optimize": True, "progressive": True, "quality": "keep" if same else QUALITY}
        turned = image if same else turned
    elif kind == "WEBP":
        options = {"quality": QUALITY, "method": 6}
    else:
        options = {"optimize": True}
    for name in (*NOTES, "icc_profile"):
        turned.info.pop(name, None)
    out = io.BytesIO()
    turned.save(out, kind, **options, **({"icc_profile": profile} if profile else {}))
    return out.getvalue()
