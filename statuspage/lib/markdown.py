"""Text that people type: cleaned, and turned from Markdown into safe HTML.

`to_html` and `sanitised` are the only producers of `Markup` in this project. They
run when a text is saved, never when a page is read.
"""

import html as html_entities
import re
from html.parser import HTMLParser
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, SubElement

import markdown
import nh3
from markdown.blockprocessors import ReferenceProcessor
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import AMP_SUBSTITUTE, AtomicString
from markupsafe import Markup

from statuspage.errors import Invalid
from statuspage.lib import markdown_lists

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
    return printable(source).replace("\r\n", "\n").replace("\r", "\n")


def printable(source: str) -> str:
    """The same with its own line ends, for texts that the API gives back as they came."""
    return _ILLEGAL.sub("", source)


def to_html(source: str, *, strict: bool = True) -> Markup:
    """Safe HTML of a Markdown text; raw HTML in it is shown as typed, images become links.

    Headings begin at `h3`, links get `rel="nofollow noopener"`. Raises `Invalid`
    (field `body`) when the text is too long or nested beyond what can be
    rendered in reasonable time, and when a link leads nowhere: unless `strict`, its address
    is shown as text.
    """
    source = clean(source)
    _refuse_stalling(source)
    renderer = _renderer()
    try:
        html = renderer.convert(source)
    except RecursionError as error:
        raise Invalid(body="This text is nested too deeply. Use fewer levels.") from error
    useless = renderer.treeprocessors["addresses"].useless  # type: ignore[attr-defined]
    if strict and useless:
        raise Invalid(
            body=f"The link to “{useless[0][:100]}” leads nowhere. Start its address with https://."
        )
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
            attribute_filter=lambda _tag, name, value: _address(value) if name == "href" else value,
            link_rel="nofollow noopener",
        )
    )


def recorded_to_html(source: str) -> Markup:
    """Safe HTML of a text that another service recorded: plain text with some HTML in it.

    Line ends stay line ends, known tags stay tags, all else is shown as typed.
    """
    source = clean(source)
    shown = re.sub(rf"<(?!/?(?:{'|'.join(_TAGS)})\b[^<>]*>)", "&lt;", source, flags=re.IGNORECASE)
    paragraphs = re.split(r"\n[ \t]*\n", shown.strip())
    html = "".join(f"<p>{words}</p>" for words in paragraphs).replace("\n", "<br>")
    return sanitised(html)


def to_plain(html: str) -> str:
    """The words of an HTML text, tags removed, blocks on lines of their own.

    The address of a link follows its words in brackets, list items keep number and level.
    """
    return _words(html, with_addresses=True)


def _words(html: str, *, with_addresses: bool) -> str:
    parser = _Words(with_addresses)
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
        words = _words(html, with_addresses=False).replace(secret, mark)
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
    plain, bare = html_entities.unescape(html), _words(html, with_addresses=False)
    return any(secret in words for words in (plain, unquote(plain), bare))


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
        extensions=["tables", "fenced_code", "sane_lists", "nl2br"], output_format="html"
    )
    renderer.preprocessors.deregister("html_block")
    renderer.inlinePatterns.deregister("html")
    renderer.preprocessors["fenced_code_block"].FENCED_BLOCK_RE = _FENCED  # type: ignore[attr-defined]
    renderer.preprocessors.register(_Lists(renderer), "lists", 20)
    renderer.parser.blockprocessors.register(_References(renderer.parser), "reference", 15)
    renderer.parser.blockprocessors["hashheader"].RE = _HEADING  # type: ignore[attr-defined]
    # After code, escapes, links and `<https://…>`, before emphasis.
    renderer.inlinePatterns.register(_BareAddress(_BARE_ADDRESS, renderer), "bare_address", 105)
    renderer.treeprocessors.register(_HeadingShift(renderer), "heading_shift", 1)
    # After escapes in addresses were resolved.
    renderer.treeprocessors.register(_Addresses(renderer), "addresses", -1)
    return renderer


class _Lists(Preprocessor):
    """CommonMark's lists in the form that Python-Markdown reads."""

    def run(self, lines: list[str]) -> list[str]:
        return markdown_lists.indented(lines)


class _References(ReferenceProcessor):
    """Definitions of links. One that no link uses is text: `[Update]: fixed` would vanish."""

    def run(self, parent: Element, blocks: list[str]) -> bool | None:
        text = _spaced("\n".join(self.parser.md.lines))  # type: ignore[attr-defined]
        labels = [_spaced(match[1]) for match in self.RE.finditer(blocks[0])]
        if any(text.count(f"[{label}]") < 2 for label in labels):
            return False
        return super().run(parent, blocks)


def _spaced(text: str) -> str:
    return " ".join(text.lower().split())


class _HeadingShift(Treeprocessor):
    """A staff text sits under the page's `h1` and the section's `h2`."""

    def run(self, root: Element) -> None:
        for element in root.iter():
            if re.fullmatch("h[1-6]", element.tag):
                element.tag = f"h{min(int(element.tag[1]) + 2, 6)}"


class _BareAddress(InlineProcessor):
    """`https://example.com` without brackets becomes a link, as in GitHub's Markdown."""

    ANCESTOR_EXCLUDES = ("a",)

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[Element | None, int | None, int | None]:
        words = m[0].rstrip(".,:;!?'\"*_~")
        while words.endswith(")") and words.count(")") > words.count("("):
            words = words[:-1].rstrip(".,:;!?'\"*_~")
        if len(words) <= len(m[1]):
            return None, None, None
        link = Element("a", {"href": words})
        link.text = AtomicString(words)
        return link, m.start(), m.start() + len(words)


class _Addresses(Treeprocessor):
    """Images become links, and links get addresses that lead somewhere from every output."""

    def __init__(self, md: markdown.Markdown) -> None:
        super().__init__(md)
        self.useless: list[str] = []

    def run(self, root: Element) -> None:
        for parent in list(root.iter()):
            for place, child in reversed(list(enumerate(parent))):
                if child.tag == "img" and parent.tag != "a":
                    self._become_link(child)
                elif child.tag == "a":
                    self._unpack_images(parent, place, child)
        for link in list(root.iter("a")):
            self._check(link)

    def _become_link(self, image: Element) -> None:
        url = image.attrib.pop("src", "")
        image.tag, image.text = "a", AtomicString(image.attrib.pop("alt", "").strip() or url)
        image.set("href", url)

    def _unpack_images(self, parent: Element, place: int, link: Element) -> None:
        """A link holds no other: the images in it follow it."""
        for image in [*link.iter("img")]:
            copy = SubElement(parent, "a", {"href": image.get("src", "")})
            parent.remove(copy)
            copy.text, copy.tail = AtomicString("image"), link.tail
            link.tail = " "
            parent.insert(place + 1, copy)
            image.tag, image.text = "span", AtomicString(image.get("alt", ""))
            image.attrib.clear()

    def _check(self, link: Element) -> None:
        url = _PLACEHOLDER.sub("", link.get("href", ""))
        if url.startswith(AMP_SUBSTITUTE):
            return  # An e-mail address in <>, written in character references.
        if address := _address(url):
            link.set("href", address)
            return
        if url:
            self.useless.append(url)
        words = f" ({url})" if url else ""
        link.tag = "span"
        link.attrib.clear()
        if len(link):
            link[-1].tail = AtomicString((link[-1].tail or "") + words)
        else:
            link.text = AtomicString((link.text or "") + words)


_HEADING = re.compile(
    r"(?:^|\n)(?P<level>#{1,6})[ \t]+(?P<header>(?:\\.|[^\\\n])*?)(?:[ \t]+#+)?[ \t]*(?:\n|$)"
)
"""CommonMark's: a blank stands behind `#`, so that `#1234` is text."""
_PLACEHOLDER = re.compile(r"\x02klzzwxh:\d+\x03")
"""What Python-Markdown leaves of a link within the address of another one."""
_BARE_ADDRESS = r"(?<![\w/.@])(https?://|www\.)[^\s<>\x02\x03]+"
_EMAIL = re.compile(r"[^\s@:/?#]+@[^\s@:/?#]+\.[a-z]{2,}", re.IGNORECASE)
_HOST = re.compile(r"(?:[\w-]+\.)+[^\W\d_]{2,}(?::\d+)?(?:[/?#]\S*)?", re.IGNORECASE)


def _address(url: str) -> str | None:
    """An address that works from anywhere; None for one that works here only, or nowhere."""
    url = url.strip()
    if re.match(r"(?:https?://|mailto:|tel:)[^\s/]", url, re.IGNORECASE):
        return url
    if _EMAIL.fullmatch(url):
        return f"mailto:{url}"
    url = url.removeprefix("//")
    return f"https://{url}" if _HOST.fullmatch(url) else None


class _Words(HTMLParser):
    _BLOCKS = frozenset(
        {"p", "div", "ul", "ol", "table", "pre", "blockquote", "hr", "h2", "h3", "h4", "h5", "h6"}
    )
    _LINES = frozenset({"br", "tr"})

    def __init__(self, with_addresses: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._with_addresses = with_addresses
        self.parts: list[str] = []
        self._in_pre = False
        self._lists: list[int | None] = []
        """The open lists: the number of the next item, None where they have none."""
        self._link: tuple[str, str, int] | None = None
        """Of the open link: its address and title, and the place in `parts` where it begins."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "li":
            self.parts.append(f"\n{'  ' * (len(self._lists) - 1)}{self._mark()} ")
        elif tag in ("ul", "ol"):
            self.parts.append("" if self._lists else "\n")
            start = attributes.get("start") or "1"
            number = int(start) if start.isascii() and start.isdecimal() else 1
            self._lists.append(number if tag == "ol" else None)
        elif tag in self._BLOCKS or tag in self._LINES:
            self._begin_line(tag)
        elif tag in ("td", "th"):
            self.handle_data(" ")
        elif tag in ("a", "abbr") and self._with_addresses:
            self._link = (
                attributes.get("href") or "",
                attributes.get("title") or "",
                len(self.parts),
            )
        self._in_pre = self._in_pre or tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            del self._lists[-1:]
            self.parts.append("" if self._lists else "\n")
        elif tag in self._BLOCKS:
            self.parts.append("\n")
        elif tag in ("a", "abbr") and self._link:
            self._end_link(*self._link)
            self._link = None
        self._in_pre = self._in_pre and tag != "pre"

    def handle_data(self, data: str) -> None:
        if not self._in_pre:
            # Line ends of the source are spaces, none where a line begins.
            data = re.sub(r"[ \t\n]+", " ", data)
            if not self.parts or self.parts[-1].endswith((" ", "\n")):
                data = data.lstrip(" ")
        if data:
            self.parts.append(data)

    def _mark(self) -> str:
        number = self._lists[-1] if self._lists else None
        if number is None:
            return "-"
        self._lists[-1] = number + 1
        return f"{number}."

    def _begin_line(self, tag: str) -> None:
        # The first block of a list item stands beside its mark, others below its words.
        if self._lists and self.parts and re.fullmatch(r"\n *(?:-|\d+\.) ", self.parts[-1]):
            return
        self.parts.append("\n" if tag == "pre" else f"\n{'  ' * len(self._lists)}")

    def _end_link(self, address: str, title: str, start: int) -> None:
        words = "".join(self.parts[start:]).strip()
        shown = {words, f"https://{words}", f"http://{words}", f"mailto:{words}", f"tel:{words}"}
        more = ("" if address in shown else address), ("" if title == words else title)
        if text := ", ".join(filter(None, more)):
            self.parts.append(f" ({text})" if words else text)
