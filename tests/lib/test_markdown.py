"""Text that people type: safe, in reasonable time, and as they meant it."""

import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from statuspage.errors import Invalid
from statuspage.lib.markdown import clean, recorded_to_html, redact, to_html, to_plain

ALLOWED_TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "code", "del", "em", "hr", "i", "li", "ol", "p", "pre"),
    *("h2", "h3", "h4", "h5", "h6", "strong", "sub", "sup", "ul"),
    *("table", "tbody", "td", "th", "thead", "tr"),
}
ALLOWED_ATTRIBUTES = {
    ("a", "href"),
    ("a", "title"),
    ("a", "rel"),
    ("abbr", "title"),
    ("td", "align"),
    ("th", "align"),
    ("ol", "start"),
}
VOID = {"br", "hr"}


class Strict(HTMLParser):
    """Fails on a tag, an attribute or an address that no reader may be sent."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED_TAGS
        for name, value in attrs:
            assert (tag, name) in ALLOWED_ATTRIBUTES
            if name == "href":
                assert re.match(r"(https?://|mailto:|tel:)", value, re.IGNORECASE), value
        if tag == "a":
            assert dict(attrs)["rel"] == "nofollow noopener"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError("a comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


def check_fragment(html: str) -> None:
    parser = Strict()
    parser.feed(html)
    parser.close()
    assert parser.open == []


def rendered_in_time(source: str) -> str | None:
    """The HTML, None where it is refused. Counts this process's own time: others may be busy."""
    begin = time.process_time()
    try:
        return to_html(source)
    except Invalid:
        return None
    finally:
        assert time.process_time() - begin < 1


# ── texts that stall a renderer ────────────────────────────────────────────────


def nested(levels: int, indent: str, mark: str = "-") -> str:
    return "\n".join(f"{indent * level}{mark} x" for level in range(levels))


STALLING = {
    "5,000 brackets": "[" * 5_000,
    "10,000 brackets": "[" * 10_000,
    "20,000 links begun": "[a](" * 20_000,
    "6,000 links begun": "[a](" * 6_000,
    "brackets in many paragraphs": "\n\n".join("[" * 150 for _ in range(160)),
    "pictures in many paragraphs": "\n\n".join("![" * 150 for _ in range(80)),
    "brackets before a long line": "[" * 150 + "x" * 24_000,
    "brackets before escapes": "[" * 60 + "\\(" * 12_000,
    "links with escapes": ("[x](" + "\\(" * 75) * 149,
    "60 KB of tags begun": "<a " * 20_000,
    "24 KB of tags begun": "<a " * 8_000,
    "comments begun": "<!--" * 6_000,
    "instructions begun": "<?" * 12_000,
    "400 lists in one another": nested(400, "    "),
    "400 lists by two spaces": nested(400, "  "),
    "150 lists by tabs": nested(150, "\t"),
    "100 numbered lists in one another": nested(100, "    ", "1."),
    "lists in one line": "- " * 10_000,
    "numbers in one line": "1. " * 3_000,
    "400 quotes in one another": ">" * 400 + " x",
    "400 quotes with spaces": "> " * 400 + "x",
    "quotes and lists in one another": "> - " * 300 + "x",
    "stars": "*" * 24_900,
    "underscores": "_" * 24_900,
    "backticks": "`" * 24_900,
    "strong begun": "**a" * 8_000,
    "strong and emphasis begun": "***a**b*" * 3_000,
    "stars and underscores": "_*" * 12_000,
    "backtick runs of every length": " ".join("`" * length for length in range(1, 215)),
    "code after a run left open": "```a " + "``a```" * 4_000,
    "code in one table row": "a|b\n-|-\n" + "`|" * 12_000,
    "a wide table": "|a" * 1_000 + "\n" + "|-" * 1_000 + "\n" + ("|a" * 1_000 + "\n") * 8,
    "a long table": "a|b\n-|-\n" + "a|b\n" * 6_000,
    "headings": "# a\n" * 6_000,
    "underlined headings": "a\n=\n" * 6_000,
    "underlined headings in paragraphs": ("a\n=\n" * 240 + "\n") * 25,
    "rules": "---\n" * 6_000,
    "empty list items": "- \n" * 8_000,
    "quoted empty lines": ">\n" * 12_000,
    "fences": "```\n" * 6_000,
    "blanks behind a fence": "```" + " " * 24_000,
    "tabs behind a fence": "```" + "\t" * 24_000 + "x",
    "quotes begun behind fences": '```hl_lines="\n\n' * 1_600,
    "references": "[a]: b\n" * 3_500,
    "automatic links begun": "<http://" * 3_000,
    "mail addresses": "<" + "a@" * 12_000 + ">",
}


@pytest.mark.parametrize("source", STALLING.values(), ids=STALLING.keys())
def test_pathological_markdown_takes_less_than_a_second(source):
    html = rendered_in_time(source)
    if html is not None:
        check_fragment(html)


AWKWARD = (
    "[]()<>!*_`~#|-=+:&;\\\"'/@$%^{}.,? \t\n\r\0\x02\x03\x1b\x7f\u00a0\u200b\u2028\ufeff😀\ud800"
)


@pytest.mark.parametrize("character", AWKWARD, ids=lambda character: f"U+{ord(character):04X}")
def test_100_kb_of_one_character_take_less_than_a_second(character):
    rendered_in_time(character * 100_000)
    rendered_in_time(character * 24_000)
    rendered_in_time(f"{character}a" * 8_000)


def test_overlong_text_is_refused_with_a_sentence():
    with pytest.raises(Invalid, match="too long: at most 25,000 bytes"):
        to_html("ü" * 12_501)
    assert to_html("ü" * 12_500)


def test_text_of_18_kb_with_320_links_renders_quickly():
    lines = [f"- see [the report {number}](https://example.com/{number})" for number in range(320)]
    source = "\n\n".join("\n".join(lines[start : start + 32]) for start in range(0, 320, 32))
    source = source.ljust(18_000, "x")
    begin = time.process_time()
    html = to_html(source)
    assert time.process_time() - begin < 0.2
    assert html.count("<a ") == 320


def test_list_may_have_forty_levels():
    assert to_html(nested(39, "    ")).count("<ul>") == 39


# ── what reaches a reader ──────────────────────────────────────────────────────

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    "<iframe src=//evil.example></iframe>",
    "<style>*{display:none}</style>",
    '<p style="position:fixed">x</p>',
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](//evil.example)",
    "[x](\\\\evil.example)",
    "[x](/admin/sign-out)",
    "[x](?a=b)",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "[x][1]\n\n[1]: //evil.example 'title'",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/pixel.gif)",
    '[x](https://a.example "onmouseover=alert(1)")',
    "[x](https://a.example 'x\" onclick=\"alert(1)')",
    "<javascript:alert(1)>",
    "`<script>alert(1)</script>`",
    "```<script>\nalert(1)\n```",
    "``` html onload=alert(1)\nx\n```",
    '| a |\n|---|\n| <img src=x onerror="alert(1)"> |',
    "\x02wzxhzdk:0\x03 \x02amp\x03 klzzwxh:0000",
    "**<b onclick=alert(1)>x</b>**",
    "# <script>alert(1)</script>",
    "a<br/onmouseover=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "[<img src=x onerror=alert(1)>](https://a.example)",
]


@pytest.mark.parametrize("source", ATTACKS)
def test_no_markup_but_ours_reaches_a_reader(source):
    html = to_html(source, strict=False)
    check_fragment(html)
    assert isinstance(html, Markup)


@pytest.mark.parametrize(
    "raw", ["<b>bold</b>", "<script>alert(1)</script>", "<!-- note -->", "a < b && c > d"]
)
def test_raw_html_is_shown_as_text(raw):
    assert to_plain(to_html(f"Text {raw} text")) == f"Text {raw} text"


@pytest.mark.parametrize(
    "link",
    [
        *("javascript:alert(1)", "data:text/html,x", "ftp://a.example", "\\\\evil.example"),
        *("/path", "path", "?a=b", "#part", "../up", "/\\evil.example", "localhost:8000/x"),
    ],
)
@pytest.mark.parametrize("source", ["[words]({})", "![words]({})", "[words][1]\n\n[1]: {}"])
def test_a_link_that_leads_nowhere_is_refused_or_shown_with_its_address(source, link):
    shown = link.replace("\\\\", "\\")  # Markdown reads two of them as one.
    with pytest.raises(Invalid, match="leads nowhere"):
        to_html(source.format(link))
    html = to_html(source.format(link), strict=False)
    assert "href" not in html
    assert to_plain(html) in (f"words ({link})", f"words ({shown})")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("//docs.example/a", "https://docs.example/a"),
        ("docs.example/a?b#c", "https://docs.example/a?b#c"),
        ("www.docs.example", "https://www.docs.example"),
        ("docs.example:8443", "https://docs.example:8443"),
        ("st\u00f6rung.example/x", "https://st\u00f6rung.example/x"),
        ("help@docs.example", "mailto:help@docs.example"),
        ("HTTPS://docs.example", "HTTPS://docs.example"),
    ],
)
def test_a_link_without_a_scheme_leads_to_its_host(written, address):
    html = to_html(f"See [the guide]({written}).")
    assert f'href="{address}"' in html
    assert to_plain(html) == f"See the guide ({address})."


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        (
            "![Graph of errors](https://img.example/g.png)",
            "Graph of errors (https://img.example/g.png)",
        ),
        ("![](https://img.example/g.png)", "https://img.example/g.png"),
        (
            "a ![b][c] d\n\n[c]: https://img.example/g.png 'Title words'",
            "a b (https://img.example/g.png, Title words) d",
        ),
        (
            "[![b](https://img.example/g.png)](https://docs.example) d",
            "b (https://docs.example) image (https://img.example/g.png) d",
        ),
        (
            "[x ![b](https://img.example/g.png) y](https://docs.example)",
            "x b y (https://docs.example) image (https://img.example/g.png)",
        ),
    ],
)
def test_an_image_becomes_a_link_with_its_words(source, plain):
    html = to_html(source)
    assert "img.example/g.png" in re.findall(r'href="https://([^"]*)"', html)
    assert to_plain(html) == plain


@pytest.mark.parametrize(
    ("source", "link", "rest"),
    [
        ("See https://docs.example/a_b*c*d.", "https://docs.example/a_b*c*d", "."),
        ("(https://docs.example/a_(b)_c)", "https://docs.example/a_(b)_c", ")"),
        ("www.docs.example, then", "www.docs.example", ", then"),
        ("**https://docs.example/**", "https://docs.example/", ""),
        ("https://docs.example/?a=1&b=2 x", "https://docs.example/?a=1&b=2", " x"),
    ],
)
def test_a_bare_address_becomes_a_link(source, link, rest):
    html = to_html(source)
    target = link if link.startswith("http") else f"https://{link}"
    assert f'href="{target.replace("&", "&amp;")}"' in html
    assert to_plain(html).partition(link)[2] == rest


@pytest.mark.parametrize(
    "source", ["`https://docs.example`", "me@www.docs.example", "xhttps://docs.example"]
)
def test_what_is_code_or_within_a_word_becomes_no_link(source):
    assert "href" not in to_html(source)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("#1234 is the ticket", "<p>#1234 is the ticket</p>"),
        ("Ticket\n#1234 is open", "<p>Ticket<br>#1234 is open</p>"),
        ("####### seven", "<p>####### seven</p>"),
        ("# C#", "<h3>C#</h3>"),
        ("## Two ##", "<h4>Two</h4>"),
        ("#\tTab", "<h3>Tab</h3>"),
        ("Underlined\n---\nwords", "<h4>Underlined</h4><p>words</p>"),
        ("- a\n---\nb", "<ul><li>a</li></ul><hr><p>b</p>"),
    ],
)
def test_a_heading_has_a_blank_behind_its_sign(source, html):
    assert re.sub(r"\n", "", to_html(source)) == html


LISTS = {
    "two spaces": ("- a\n  - b\n    - c\n- d", "- a\n  - b\n    - c\n- d"),
    "four spaces": ("- a\n    - b\n- d", "- a\n  - b\n- d"),
    "under a number": ("1. a\n   - b\n   - c\n2. d", "1. a\n  - b\n  - c\n2. d"),
    "numbers in a list": ("- a\n  1. b\n  2. c\n- d", "- a\n  1. b\n  2. c\n- d"),
    "tabs": ("- a\n\t- b", "- a\n  - b"),
    "a start": ("7. a\n8. b", "7. a\n8. b"),
    "brackets": ("1) a\n2) b", "1. a\n2. b"),
    "after a paragraph": ("Affected:\n- a\n- b", "Affected:\n\n- a\n- b"),
    "a year is no number": (
        "It began in\n2026. Then it ended.",
        "It began in\n2026. Then it ended.",
    ),
    "a paragraph in an item": ("- a\n\n  more\n- b", "- a\n\n  more\n\n- b"),
    "code in an item": (
        "1. a\n   ```sh\n   - x  # y\n     z\n   ```\n2. b",
        "1. a\n\n- x  # y\n  z\n\n2. b",
    ),
    "code in an item that nothing ends": ("- a\n  ~~~\n  x", "- a\nx"),
    "a lazy line": ("- a\nlazy\n- b", "- a\n  lazy\n- b"),
    "a paragraph after": ("- a\n\nb", "- a\n\nb"),
    "another bullet": ("- a\n* b", "- a\n\n- b"),
    "in a quote": ("> - a\n>   - b\n> c", "- a\n  - b\n    c"),
    "a rule": ("a\n\n- - -\n\nb", "a\n\nb"),
    "a heading after": ("- a\n# H", "- a\n\nH"),
}


@pytest.mark.parametrize(("source", "plain"), LISTS.values(), ids=LISTS.keys())
def test_lists_are_read_as_commonmark_reads_them(source, plain):
    assert to_plain(to_html(source)) == plain


@pytest.mark.parametrize(
    "source", ["[Update]: fixed", "[Update]:\nfixed", "- [Update]: fixed", "> [a]: b 'c'"]
)
def test_a_definition_that_no_link_uses_stays_text(source):
    words = re.findall(r"\w+", source)
    assert re.findall(r"\w+", to_plain(to_html(source))) == words


@pytest.mark.parametrize(
    "link",
    ["https://example.com/?a=1&b=2", "http://example.com", "mailto:a@example.com", "tel:+43"],
)
def test_safe_link_is_kept_with_nofollow_noopener(link):
    html = to_html(f"[words]({link})")
    assert f'href="{link.replace("&", "&amp;")}"' in html
    assert 'rel="nofollow noopener"' in html


@pytest.mark.parametrize("level, tag", [(1, "h3"), (2, "h4"), (3, "h5"), (4, "h6"), (6, "h6")])
def test_headings_rank_below_those_of_the_page(level, tag):
    assert to_html(f"{'#' * level} Words") == f"<{tag}>Words</{tag}>"


def test_markdown_is_rendered():
    source = (
        "**Bold**, *it*, `code`\nnext line\n\n1. one\n2. two\n\n> said\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |"
    )
    assert re.sub(r"\n", "", to_html(source)) == (
        "<p><strong>Bold</strong>, <em>it</em>, <code>code</code><br>next line</p>"
        "<ol><li>one</li><li>two</li></ol><blockquote><p>said</p></blockquote>"
        "<table><thead><tr><th>a</th><th>b</th></tr></thead>"
        "<tbody><tr><td>1</td><td>2</td></tr></tbody></table>"
    )


@settings(max_examples=150)
@given(st.text(alphabet=st.sampled_from("ab <>[]()*_`#-|\n\"'&;:/\\!=1.>\t"), max_size=120))
def test_whatever_is_typed_becomes_a_well_formed_fragment(source):
    check_fragment(to_html(source, strict=False))


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from([*ATTACKS, "words", "\n", "\n\n", "> ", "- ", "**", "`"])).map("".join)
)
def test_attacks_put_together_become_a_well_formed_fragment(source):
    check_fragment(to_html(source, strict=False))


# ── characters that break feeds ────────────────────────────────────────────────


@settings(max_examples=150)
@given(st.text(alphabet=st.characters(codec=None, categories=["Cc", "Cs", "Cn", "Lu", "Zs"])))
def test_cleaned_text_is_valid_in_xml_and_utf_8(source):
    for text in (clean(source), to_plain(to_html(source))):
        element = ElementTree.Element("entry")
        element.text = text
        ElementTree.fromstring(ElementTree.tostring(element, encoding="utf-8"))
        text.encode()


def test_control_characters_and_lone_surrogates_are_removed():
    assert clean("a\x00\x08\x0b\x1f\x7f\ud800\udfff\ufffeb\r\nc\rd\te😀") == "ab\nc\nd\te😀"


@settings(max_examples=150)
@given(st.text())
def test_cleaning_is_idempotent(source):
    assert clean(clean(source)) == clean(source)


# ── words without markup ───────────────────────────────────────────────────────


def test_plain_text_keeps_its_lines():
    source = (
        "# Head\n\nFirst.\nSecond.\n\nThird.\n\n- one\n- two\n\n"
        "| Region | State |\n|---|---|\n| EU | down |\n\n```\nif x:\n    y\n```"
    )
    assert to_plain(to_html(source)) == (
        "Head\n\nFirst.\nSecond.\n\nThird.\n\n- one\n- two\n\nRegion State\nEU down\n\nif x:\n    y"
    )


# ── a secret taken out ─────────────────────────────────────────────────────────

SECRET = 'pa&ss"w<rd_1*2*'


@pytest.mark.parametrize(
    "source, html",
    [
        (f"The password is {SECRET}.", None),
        (f"`{SECRET}` and [here](https://a.example/?key={SECRET})", None),
        ("Twice: hunter22 and `hunter22`.", None),
        ("Marked up: hun**ter**22.", None),
        ("Marked up and plain: hun**ter**22, hunter22.", None),
        ("Escaped: hunter\\_22.", None),
        ("Words", '<p>Words <a href="https://a.example/?key=hunter22">x</a></p>'),
        ("Words", '<p>Words <a href="https://a.example/?key=hunter%5F22">x</a></p>'),
        ("Words", "<p>Words hun<b>ter</b>22</p>"),
        ("Words", "<p>Words &#104;unter22</p>"),
        ("[" * 150 + " hunter22", None),
    ],
)
def test_redaction_removes_a_secret_however_it_was_written(source, html):
    for secret in (SECRET, "hunter22", "hunter_22"):
        before = (source, str(to_html(source)) if html is None else html)
        words, rendered = redact(*before, secret, "[redacted]")
        assert secret not in words
        assert secret not in rendered
        assert secret not in to_plain(rendered)
        assert secret.replace("_", "%5F") not in rendered
        check_fragment(str(to_html(words)) if "[[" not in words else "")
        assert ("[redacted]" in rendered) == (before != (words, rendered))


def test_redacting_an_imported_text_keeps_its_formatting():
    source = "We <b>rotated</b> hunter22.\n\nAll is well."
    words, rendered = redact(source, str(recorded_to_html(source)), "hunter22", "[redacted]")
    assert words == "We <b>rotated</b> [redacted].\n\nAll is well."
    assert rendered == "<p>We <b>rotated</b> [redacted].</p><p>All is well.</p>"


def test_text_without_the_secret_is_unchanged():
    before = ("Words", '<p class="imported">Words</p>')
    assert redact(*before, "hunter22", "[redacted]") == before
