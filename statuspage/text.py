"""Text that people type: cleaned, and turned from Markdown into safe HTML.

`to_html` is the only producer of `Markup` in this project. It runs when a text
is saved, never when a page is read.
"""

import re
from html.parser import HTMLParser
from xml.etree.ElementTree import Element

import markdown
import nh3
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markupsafe import Markup

from statuspage.errors import Invalid

MAX_SOURCE_BYTES = 25_000
MAX_BRACKETS_PER_PARAGRAPH = 150
MAX_NESTING = 40

_ALLOWED = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "td": {"align"},
    "th": {"align"},
    "ol": {"start"},
}
_TAGS = frozenset(
    """a abbr b blockquote br code del em h2 h3 h4 h5 h6 hr i li ol p pre strong sub sup
    table tbody td th thead tr ul""".split()  # noqa: SIM905
)
# Characters that XML 1.0 forbids (section 2.2), lone surrogates among them.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def clean(source: str) -> str:
    """`source` with Unix line ends and without characters that break XML feeds."""
    return _ILLEGAL.sub("", source.replace("\r\n", "\n").replace("\r", "\n"))


def to_html(source: str) -> Markup:
    """Safe HTML of a Markdown text; raw HTML in it is shown as typed.

    Headings begin at `h3`, links get `rel="nofollow noopener"`. Raises `Invalid`
    (field `body`) when the text is too long or nested beyond what can be
    rendered in reasonable time.
    """
    source = clean(source)
    _refuse_stalling(source)
    try:
        html = _renderer().convert(source)
    except RecursionError as error:
        raise Invalid(
            body="This text is nested too deeply. Use fewer levels."
        ) from error
    return Markup(
        nh3.clean(
            html,
            tags=set(_TAGS),
            attributes=_ALLOWED,
            url_schemes={"http", "https", "mailto", "tel"},
            url_relative="deny",
            link_rel="nofollow noopener",
        )
    )


def to_plain(html: str) -> str:
    """The words of an HTML text, tags removed, blocks on lines of their own."""
    parser = _Words()
    parser.feed(html)
    parser.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(parser.parts)).strip()


def _refuse_stalling(source: str) -> None:
    # Python-Markdown needs quadratic time for some inputs; these caps keep the
    # worst text below half a second (Python-Markdown issues 798 and 1619).
    if len(source.encode()) > MAX_SOURCE_BYTES:
        raise Invalid(
            body=f"This text is too long: {MAX_SOURCE_BYTES:,} bytes at most."
        )
    for paragraph in re.split(r"\n[ \t]*\n", source):
        if paragraph.count("[") > MAX_BRACKETS_PER_PARAGRAPH:
            raise Invalid(
                body=f"A paragraph may hold {MAX_BRACKETS_PER_PARAGRAPH} opening brackets at most."
                " Split it."
            )
    for line in source.split("\n"):
        indent = len(line) - len(line.lstrip(" \t>"))
        if indent > 4 * MAX_NESTING:
            raise Invalid(body="This text is nested too deeply. Use fewer levels.")


def _renderer() -> markdown.Markdown:
    # A new one for each text: the renderer keeps state and requests run in threads.
    renderer = markdown.Markdown(
        extensions=["tables", "fenced_code", "sane_lists", "nl2br", _LowerHeadings()],
        output_format="html",
    )
    renderer.preprocessors.deregister("html_block")
    renderer.inlinePatterns.deregister("html")
    return renderer


class _HeadingShift(Treeprocessor):
    def run(self, root: Element) -> None:
        for element in root.iter():
            if re.fullmatch("h[1-6]", element.tag):
                element.tag = f"h{min(int(element.tag[1]) + 2, 6)}"


class _LowerHeadings(Extension):
    """A staff text sits under the page's `h1` and the section's `h2`."""

    def extendMarkdown(self, md: markdown.Markdown) -> None:
        md.treeprocessors.register(_HeadingShift(md), "heading_shift", 1)


class _Words(HTMLParser):
    _BLOCKS = frozenset({"p", "div", "li", "br", "tr", "pre", "blockquote", "hr"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "li":
            self.parts.append("\n- ")
        elif tag in self._BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._BLOCKS and tag != "br":
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)
