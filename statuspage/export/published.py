"""A public response as a file that nginx serves at its address on the origin.

The same bytes, except for a note that appears when the files are no longer updated; gzip
and brotli variants are beside it, for `gzip_static` and `brotli_static`.
"""

import gzip

import brotli

from statuspage.export.portable import SCRIPT
from statuspage.export.render import Response
from statuspage.serving.response import AS_OF, BROTLI_QUALITY, GZIP_LEVEL

NOTE = b'<p class="stale" id="copy" role="status" data-quiet hidden></p>'
TEXTS = ("text/", "json", "xml", "javascript", "calendar")
FIRST_TIME = 315_619_200
"""2 January 1980: FAT and ZIP have no earlier times, and would give many files the same one."""


def is_file(address: str, response: Response) -> bool:
    """Forms, and responses with another status, are left to the application."""
    return response.status == 200 and not address.endswith("/subscribe")


def body_of(response: Response) -> bytes:
    if not response.is_html:
        return response.body
    line = f'<script src="/{SCRIPT}" defer></script>\n</head>'.encode()
    return response.body.replace(AS_OF, NOTE, 1).replace(b"</head>", line, 1)


def time_of(sha256: str) -> int:
    """The modification time of a file with this digest, in seconds: between 1980 and 2014.

    Servers compute an ETag from time and length. So equal bytes have the same tag on every
    machine, and two versions within a second have different ones.
    """
    return FIRST_TIME + (int(sha256[:8], 16) >> 2)


def packed(body: bytes, content_type: str) -> dict[str, bytes]:
    """The compressed variants that are smaller, by file extension."""
    if not any(word in content_type for word in TEXTS):
        return {}
    forms = {
        ".gz": gzip.compress(body, GZIP_LEVEL, mtime=0),
        ".br": brotli.compress(body, quality=BROTLI_QUALITY),
    }
    return {ending: form for ending, form in forms.items() if len(form) < len(body)}
