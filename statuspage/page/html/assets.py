"""Style sheets and scripts as they are published: without comments, as small as they get
without a parser."""

import re
from functools import cache

from statuspage.config import PROJECT


@cache
def stylesheet(*names: str) -> str:
    """These files of `static/` as one style sheet."""
    css = "".join((PROJECT / "static" / name).read_text() for name in names)
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s+", " ", css)
    return re.sub(r" ?([{}:;,>]) ?", r"\1", css).replace(";}", "}").strip()


@cache
def script(name: str) -> str:
    """A script of `static/`. Comments stand on lines of their own there."""
    source = (PROJECT / "static" / name).read_text()
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
