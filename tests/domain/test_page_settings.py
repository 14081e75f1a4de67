"""The page's own settings."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspage.db import db
from statuspage.domain import events, page_settings
from statuspage.domain.page_settings import PageEdit
from statuspage.errors import Invalid
from statuspage.lib import image_size
from tests.helpers.domain import ANNA, AT, HOUR

GOOD = {"name": "Northwind", "time_zone": "Europe/Vienna"}
WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 "


@pytest.fixture
def page(session):
    return page_settings.create("Northwind", by=ANNA, at=AT)


def edited(page, **options):
    page_settings.edit(page, PageEdit(**{**GOOD, **options}), by=ANNA, at=AT + HOUR)
    db.session.expire_all()
    return page


def test_page_is_missing_before_setup(session):
    assert page_settings.get() is None


def test_new_page_has_its_name_and_utc(page):
    assert page_settings.get() is page
    assert (page.name, page.zone.key, page.version) == ("Northwind", "Etc/UTC", 1)


def test_refused_page_is_not_created(session):
    with pytest.raises(Invalid):
        page_settings.create(" ", by=ANNA, at=AT)
    assert page_settings.get() is None


def test_page_settings_are_stored_and_texts_rendered(page):
    edited(
        page,
        url="https://status.example.com/",
        about="We *ship*.",
        footer="[Imprint](https://example.com)",
        support_url="mailto:help@example.com",
        accent="#1a2B3c",
    )
    assert page.url == "https://status.example.com"
    assert page.about_html == "<p>We <em>ship</em>.</p>"
    assert 'href="https://example.com"' in page.footer_html
    assert (page.support_url, page.accent) == ("mailto:help@example.com", "#1a2B3c")
    assert (page.zone.key, page.version) == ("Europe/Vienna", 2)
    assert events.latest(1)[0].kind == "page.edited"


@pytest.mark.parametrize(
    "field, value",
    [
        ("name", " "),
        ("name", "x" * 101),
        ("time_zone", "Europe/Vieña"),
        ("time_zone", "../../etc/passwd"),
        ("url", "status.example.com"),
        ("url", "javascript:alert(1)"),
        ("url", "mailto:a@example.com"),
        ("url", 'https://a.example/"onload='),
        ("url", "https://a.example/\ud800"),
        ("support_url", "//a.example"),
        ("accent", "red"),
        ("accent", "#12345"),
        ("accent", "#ffff00"),
        ("accent_dark", "#101010"),
        ("accent_dark", "#12345g"),
        ("accent_dark", "#123456;}"),
        ("about", "[" * 999),
        ("footer", "x" * 25_001),
    ],
)
def test_invalid_page_setting_is_named_and_changes_nothing(page, field, value):
    before = events.revision()
    with pytest.raises(Invalid) as invalid:
        edited(page, **{field: value})
    assert invalid.value.errors.keys() == {field}
    assert not db.session.is_modified(page)
    assert events.revision() == before


@pytest.mark.parametrize(
    "typed, normal",
    [
        ("mailto:Help@Straße.example", "mailto:Help@xn--strae-oqa.example"),
        (
            "mailto:a@B.example,b@C.example?subject=Hi%20B",
            "mailto:a@b.example,b@c.example?subject=Hi%20B",
        ),
        ("mailto:a%2Bb@EXAMPLE.com", "mailto:a+b@example.com"),
        ("mailto:%22a%20b%22@example.com", "mailto:%22a%20b%22@example.com"),
    ],
)
def test_a_support_address_takes_its_normal_form(page, typed, normal):
    assert edited(page, support_url=typed).support_url == normal


@pytest.mark.parametrize("typed", ["mailto:jane", "mailto:a@b.example,c", "mailto:?subject=x"])
def test_a_support_address_that_is_none_is_refused(page, typed):
    with pytest.raises(Invalid) as invalid:
        edited(page, support_url=typed)
    assert invalid.value.errors == {"support_url": "Enter an e-mail address after mailto:."}


def test_every_wrong_setting_is_named_at_once(page):
    with pytest.raises(Invalid) as invalid:
        edited(page, name="", time_zone="x", url="x", accent="x", footer="[" * 999)
    assert invalid.value.errors.keys() == {"name", "time_zone", "url", "accent", "footer"}


@pytest.mark.parametrize(
    "image, kind",
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"GIF89a....", "image/gif"),
        (WEBP, "image/webp"),
        (WEBP.replace(b"\x24", b"\n"), "image/webp"),
    ],
)
def test_logo_can_be_set_and_removed(page, image, kind):
    page_settings.set_logo(page, image, by=ANNA, at=AT)
    assert (page.logo, page.logo_type) == (image, kind)
    page_settings.set_logo(page, None, by=ANNA, at=AT)
    assert (page.logo, page.logo_type) == (None, None)


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"<html>GIF89a",
        b"\x89PNG\r\n\x1a\n" + b"." * 100_000,
    ],
)
def test_logo_must_be_a_small_picture(page, image):
    with pytest.raises(Invalid) as invalid:
        page_settings.set_logo(page, image, by=ANNA, at=AT)
    assert invalid.value.errors.keys() == {"logo"}
    assert page.logo is None


HEADS = {
    "PNG": lambda side: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", side, 1),
    "JPEG": lambda side: b"\xff\xd8\xff\xe0\0\4..\xff\xc0\0\x0b\x08" + struct.pack(">HH", 1, side),
    "GIF": lambda side: b"GIF89a" + struct.pack("<HH", 1, side) + b"\0\0\0;",
    "frame of a GIF": lambda side: (
        b"GIF89a\1\0\1\0\x80\0\0......!\xf9\1.\0," + struct.pack("<HHHH", 0, 0, side, 1)
    ),
    "WebP": lambda side: b"RIFF....WEBPVP8 " + bytes(10) + struct.pack("<HH", side, 1),
    "WebP without loss": lambda side: (
        b"RIFF....WEBPVP8L..../" + struct.pack("<I", (side - 1) << 14)
    ),
    "extended WebP": lambda side: (
        b"RIFF....WEBPVP8X" + bytes(8) + struct.pack("<HBHB", 0, 0, side - 1, 0)
    ),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_logo_rejects_a_decompression_bomb(page, head):
    page_settings.set_logo(page, head(4000), by=ANNA, at=AT)
    with pytest.raises(Invalid) as invalid:
        page_settings.set_logo(page, head(4001), by=ANNA, at=AT)
    assert "4000 pixels" in invalid.value.errors["logo"]
    assert page.logo == head(4000)


@pytest.mark.parametrize("name", ["GIF", "frame of a GIF", "JPEG", "PNG"])
def test_a_size_beyond_signed_numbers_is_refused(page, name):
    with pytest.raises(Invalid, match="4000 pixels"):
        page_settings.set_logo(page, HEADS[name](40_000), by=ANNA, at=AT)


@given(head=st.sampled_from(list(HEADS.values())), cut=st.integers(0, 40), tail=st.binary())
def test_damaged_pictures_have_a_size_and_raise_nothing(head, cut, tail):
    assert min(image_size.sides(head(100)[:cut] + tail)) >= 0


def test_an_unreadable_colour_is_refused_with_its_contrast_and_the_way_out(page):
    with pytest.raises(Invalid) as invalid:
        edited(page, accent="#ffff00", accent_dark="#2453c7")
    assert invalid.value.errors == {
        "accent": "Links in this colour are hard to read: its contrast in light mode is 1.03:1."
        " Choose a darker one, with at least 4.5:1.",
        "accent_dark": "Links in this colour are hard to read: its contrast in dark mode is"
        " 2.52:1. Choose a lighter one, with at least 4.5:1.",
    }


def test_a_colour_kept_from_before_does_not_block_other_settings(page):
    page.accent = "#ffff00"
    assert edited(page, accent="#ffff00", about="New.").about == "New."


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48), ("#ffffff", "#ffffff", 1)],
)
def test_contrast_is_that_of_wcag(one, other, ratio):
    assert page_settings.contrast(one, other) == pytest.approx(ratio, abs=0.005)
