"""What a picture's own head says of it: its kind, and how many pixels it unfolds to.

Logos are stored and served as they came and are never unpacked here; but whoever reads the page
unpacks them. A file of 76 kB can say that it has 625 million pixels, which takes 2.5 GB there.
"""

import re
import struct

# SVG is left out: it can carry script.
TYPES = {
    rb"\x89PNG\r\n\x1a\n": "image/png",
    rb"\xff\xd8\xff": "image/jpeg",
    rb"GIF8[79]a": "image/gif",
    rb"RIFF....WEBP": "image/webp",
}
"""First bytes, as a pattern → content type."""


def type_of(image: bytes) -> str | None:
    """PNG, JPEG, GIF or WebP; None for anything else."""
    kinds = (kind for magic, kind in TYPES.items() if re.match(magic, image, re.DOTALL))
    return next(kinds, None)


def sides(image: bytes) -> tuple[int, int]:
    """Width and height in pixels; (0, 0) where the head is cut off: then nothing is unpacked."""
    read = {
        "image/png": _of_png,
        "image/jpeg": _of_jpeg,
        "image/gif": _of_gif,
        "image/webp": _of_webp,
    }.get(type_of(image) or "")
    try:
        return read(image) if read is not None else (0, 0)
    except (struct.error, IndexError):
        return 0, 0


def _of_png(image: bytes) -> tuple[int, int]:
    """https://www.w3.org/TR/png-3/#11IHDR"""
    return _two(">II", image, 16) if image[12:16] == b"IHDR" else (0, 0)


def _of_gif(image: bytes) -> tuple[int, int]:
    """https://www.w3.org/Graphics/GIF/spec-gif89a.txt: browsers enlarge the screen to its frame."""
    width, height = _two("<HH", image, 6)
    at = 13 + (3 << (image[10] & 7) + 1 if image[10] & 0x80 else 0)
    while image[at] == 0x21:
        at += 2
        while image[at]:
            at += image[at] + 1
        at += 1
    if image[at] != 0x2C:
        return width, height
    wide, high = _two("<HH", image, at + 5)
    return max(width, wide), max(height, high)


def _of_webp(image: bytes) -> tuple[int, int]:
    """https://developers.google.com/speed/webp/docs/riff_container and its two bitstreams"""
    match image[12:16]:
        case b"VP8X":
            less_one = (int.from_bytes(image[at : at + 3], "little") for at in (24, 27))
            return next(less_one) + 1, next(less_one) + 1
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", image, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            width, height = _two("<HH", image, 26)
            return width & 0x3FFF, height & 0x3FFF


def _of_jpeg(image: bytes) -> tuple[int, int]:
    """ITU-T T.81, B.1: segments with a length each, up to the one that begins a frame."""
    at = 2
    while True:
        while image[at + 1] == 0xFF:
            at += 1
        marker = image[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = _two(">HH", image, at + 5)
            return width, height
        if image[at] != 0xFF or marker == 0xDA:
            return 0, 0
        (length,) = struct.unpack_from(">H", image, at + 2)
        at += 2 + length


def _two(form: str, image: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, image, at)
    return first, second
