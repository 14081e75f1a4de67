"""A public answer as a file that nginx serves at the address it has on the origin.

The same bytes, but for a note that shows up should nobody make these files any more;
gzip and brotli forms stand beside, for `gzip_static` and `brotli_static`.
"""

import gzip

import brotli

from statuspage.export.portable import SCRIPT
from statuspage.export.render import Reply
from statuspage.serving.response import AS_OF, BROTLI_QUALITY, GZIP_LEVEL

NOTE = b'<p class="stale" id="copy" role="status" data-quiet hidden></p>'
TEXTS = ("text/", "json", "xml", "javascript", "calendar")
FIRST_TIME = 315_619_200
"""2 January 1980: FAT and ZIP know none before, and would give many files the same one."""


def is_file(address: str, reply: Reply) -> bool:
    """What has a form or a status of its own is left to the application."""
    return reply.status == 200 and not address.endswith("/subscribe")


def body_of(reply: Reply) -> bytes:
    if not reply.is_html:
        return reply.body
    line = f'<script src="/{SCRIPT}" defer></script>\n</head>'.encode()
    return reply.body.replace(AS_OF, NOTE, 1).replace(b"</head>", line, 1)


def time_of(sha256: str) -> int:
    """The time that a file with this digest has, in seconds: a past one, from 1980 to 2014.

    Servers make the tag of a file of its time and length. Then equal bytes have one tag on all
    machines, however often they are written, and two versions of one second have two.
    """
    return FIRST_TIME + (int(sha256[:8], 16) >> 2)


def packed(body: bytes, content_type: str) -> dict[str, bytes]:
    """The packed forms by the ending of their file, where they are smaller."""
    if not any(word in content_type for word in TEXTS):
        return {}
    forms = {
        ".gz": gzip.compress(body, GZIP_LEVEL, mtime=0),
        ".br": brotli.compress(body, quality=BROTLI_QUALITY),
    }
    return {ending: form for ending, form in forms.items() if len(form) < len(body)}
