"""The type of a picture and its size in pixels, read from its first bytes by imagesize.

Logos are stored and served as they came and are never decoded here; browsers decode them. A file
of 76 kB can declare 625 million pixels, which takes 2.5 GB there.
"""

import io
import re
import struct

import imagesize

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
    types = (kind for magic, kind in TYPES.items() if re.match(magic, image, re.DOTALL))
    return next(types, None)


def sides(image: bytes) -> tuple[int, int]:
    """Width and height in pixels; (0, 0) if the size is cut off: no browser decodes that."""
    if type_of(image) == "image/gif":
        return _gif_sides(image)
    # imagesize wants a few bytes more than the size itself.
    width, height = imagesize.get(io.BytesIO(image + bytes(16)), exif_rotation=False)
    return max(width, 0), max(height, 0)


def _gif_sides(image: bytes) -> tuple[int, int]:
    """Browsers enlarge the screen of a GIF to its first frame; imagesize reads only the screen,
    and as signed numbers: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
    """
    try:
        width, height = struct.unpack_from("<HH", image, 6)
        at = 13 + (3 << (image[10] & 7) + 1 if image[10] & 0x80 else 0)
        while image[at] == 0x21:  # Extensions: sub-blocks with a length each.
            at += 2
            while image[at]:
                at += image[at] + 1
            at += 1
        if image[at] != 0x2C:
            return width, height
        frame_width, frame_height = struct.unpack_from("<HH", image, at + 5)
        return max(width, frame_width), max(height, frame_height)
    except (struct.error, IndexError):
        return 0, 0
