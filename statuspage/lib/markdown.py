"""Text that people type: cleaned, and turned from Markdown into safe HTML.

`to_html` and `sanitised` are the only producers of `Markup` in this project. They
run when a text is saved, never when a page is read.
"""

import html as html_entities
import re
from html.parser import HTMLParser
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element

import markdown
import nh3
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markupsafe import Markup

from statuspage.errors import Invalid

MAX_SOURCE_BYTES = 25_000
MAX_BRACKETS_PER_PARAGRAPH = 150
MAX_WORK = 30_000_000
"""Steps the renderer may take to look for the ends of brackets and of code."""
MAX_LINES_PER_PARAGRAPH = 500
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
# Python-Markdown's own goes back over blanks and over quotes of later lines, which takes
# minutes for some texts of 25 kB: here each is passed once, and a line is a line.
_FENCED = re.compile(
    r"""
    ^(?P<fence>~{3,}|`{3,})[ ]*+
    (?:
        \{(?P<attrs>[^\n]*)\}
        |
        (?:\.?(?!hl_lines=)(?P<lang>[\w#.+-]*+)[ ]*+)?
        (?:hl_lines=(?P<quot>"|')(?P<hl_lines>[^\n]*?)(?P=quot)[ ]*+)?
    )
    \n(?P<code>.*?)(?<=\n)(?P=fence)[ ]*+$
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
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
        raise Invalid(body="This text is nested too deeply. Use fewer levels.") from error
    return sanitised(html)


def sanitised(html: str) -> Markup:
    """`html` with nothing in it but what our own renderer may write."""
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


def recorded_to_html(source: str) -> Markup:
    """Safe HTML of a text that another service recorded: plain text with some HTML in it.

    Line ends stay line ends, known tags stay tags, all else is shown as typed.
    """
    shown = re.sub(rf"<(?!/?(?:{'|'.join(_TAGS)})\b[^<>]*>)", "&lt;", source, flags=re.IGNORECASE)
    paragraphs = re.split(r"\n[ \t]*\n", shown.strip())
    html = "".join(f"<p>{words}</p>" for words in paragraphs).replace("\n", "<br>")
    return sanitised(html)


def to_plain(html: str) -> str:
    """The words of an HTML text, tags removed, blocks on lines of their own."""
    parser = _Words()
    parser.feed(html)
    parser.close()
    words = re.sub(r"[ \t]+\n", "\n", "".join(parser.parts))
    return re.sub(r"\n{3,}", "\n\n", words).strip()


def redact(source: str, html: str, secret: str, mark: str) -> tuple[str, str]:
    """A text and its HTML with `mark` wherever `secret` stood; unchanged where it does not.

    It is found too where markup cuts it in two, and in HTML that was imported, where
    it may be escaped or stand in an address that the source does not repeat.
    """
    if secret not in source and not _holds(html, secret):
        return source, html
    words, rendered = source, html
    if secret in source:
        words = source.replace(secret, mark)
        rendered = _render(words)
        if html == str(recorded_to_html(source)):
            rendered = str(recorded_to_html(words))
    else:
        for form in _forms(secret):
            rendered = rendered.replace(form, mark)
    if _holds(rendered, secret) or _holds(_render(words), secret):
        words = to_plain(html).replace(secret, mark)
        words = words if mark in words else f"{words} {mark}"
        rendered = _render(words)
    if _holds(rendered, secret):
        rendered = f"<p>{html_entities.escape(words)}</p>"
    return words, rendered


def _render(words: str) -> str:
    try:
        return str(to_html(words))
    except Invalid:  # The mark can be one bracket too many; the secret must go all the same.
        return f"<p>{html_entities.escape(words)}</p>"


def _holds(html: str, secret: str) -> bool:
    plain = html_entities.unescape(html)
    return any(secret in words for words in (plain, unquote(plain), to_plain(html)))


def _forms(secret: str) -> set[str]:
    addresses = {quote(secret), quote(secret, safe="")}
    written = {secret, html_entities.escape(secret), html_entities.escape(secret, quote=False)}
    return written | addresses | {html_entities.escape(address) for address in addresses}


def _refuse_stalling(source: str) -> None:
    # Python-Markdown needs quadratic time for some inputs; these caps keep the
    # worst text below half a second (Python-Markdown issues 798 and 1619). It looks
    # for the end of each bracket to the end of its paragraph, and for headings, rules
    # and list items it copies the rest of the paragraph once a line.
    if len(source.encode()) > MAX_SOURCE_BYTES:
        raise Invalid(body=f"This text is too long: at most {MAX_SOURCE_BYTES:,} bytes.")
    work = 0
    for paragraph in re.split(r"\n[ \t]*\n", source):
        brackets = paragraph.count("[")
        if brackets > MAX_BRACKETS_PER_PARAGRAPH:
            raise Invalid(
                body=f"A paragraph may have at most {MAX_BRACKETS_PER_PARAGRAPH} opening"
                " brackets. Split it."
            )
        # An escaped character is five while it is rendered; a bracket is looked at twenty times.
        length = len(paragraph) + 4 * paragraph.count("\\")
        work += length * (20 * brackets + paragraph.count("`"))
        if work > MAX_WORK:
            raise Invalid(
                body="Too many brackets or backticks in such long paragraphs. Split them, or"
                " use fewer."
            )
        if paragraph.count("\n") >= MAX_LINES_PER_PARAGRAPH:
            raise Invalid(
                body=f"A paragraph may have at most {MAX_LINES_PER_PARAGRAPH} lines."
                " Separate them with an empty line."
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
    renderer.preprocessors["fenced_code_block"].FENCED_BLOCK_RE = _FENCED  # type: ignore[attr-defined]
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
    _BLOCKS = frozenset(
        {"p", "div", "ul", "ol", "table", "pre", "blockquote", "hr", "h2", "h3", "h4", "h5", "h6"}
    )
    _LINES = frozenset({"br", "tr"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._in_pre = False

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag == "li":
            self.parts.append("\n- ")
        elif tag in self._BLOCKS or tag in self._LINES:
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.handle_data(" ")
        self._in_pre = self._in_pre or tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag in self._BLOCKS:
            self.parts.append("\n")
        self._in_pre = self._in_pre and tag != "pre"

    def handle_data(self, data: str) -> None:
        if not self._in_pre:
            # Line ends of the source are spaces, none where a line begins.
            data = re.sub(r"[ \t\n]+", " ", data)
            if not self.parts or self.parts[-1].endswith((" ", "\n")):
                data = data.lstrip(" ")
        if data:
            self.parts.append(data)
