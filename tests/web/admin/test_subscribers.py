"""Subscribers at the desk."""

import csv
import io

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import (
    Channel,
    Choice,
    Contact,
    NotifyOn,
    Subscriber,
    SubscriberState,
)
from tests.conftest import on_sqlite
from tests.helpers.admin import text_of

pytestmark = on_sqlite

LIST = "/admin/subscribers"
CONSENT = "Confirmed on our former page."


@pytest.fixture
def settings(settings):
    """With a mail server, where none of these tests sends anything."""
    return settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:1"})


@pytest.fixture
def editor(person):
    return person(Role.EDITOR, "Edda")


@pytest.fixture
def people(app):
    """Every subscriber as it is stored, by address."""

    def read() -> dict[str, Subscriber]:
        with app.app_context():
            query = sa.select(Subscriber).options(sa.orm.selectinload(Subscriber.components))
            return {one.address or "": one for one in db.session.scalars(query)}

    return read


@pytest.fixture
def recorded(app):
    def kinds() -> list[str]:
        with app.app_context():
            query = sa.select(Event.kind).where(Event.kind.like("subscriber.%"))
            return list(db.session.scalars(query.order_by(Event.id)))

    return kinds


@pytest.fixture
def jane(committed, at) -> str:
    with committed():
        contact = Contact.of(Channel.EMAIL, "jane@example.com")
        made = subscribers.add(contact, by=SYSTEM, at=at, is_confirmed=True)
        db.session.flush()
        return f"{LIST}/{made.public_id}"


def upload(person, text, consent=CONSENT):
    data = text.encode() if isinstance(text, str) else text
    file = (io.BytesIO(data), "list.csv")
    return person.post(f"{LIST}/import", {"file": file, "consent": consent})


def test_added_subscriber_is_active_or_asked_to_confirm(editor, people):
    editor.post(LIST, {"channel": "email", "address": "Joe@Example.com"})
    sent = {"channel": "slack", "address": "https://hooks.slack.com/services/1", "is_confirmed": 1}
    assert editor.post(LIST, sent).status_code == 422
    editor.post(LIST, sent | {"consent": "Contract, section 7"})
    found = people()
    assert found["Joe@example.com"].state is SubscriberState.UNCONFIRMED
    slack = found["https://hooks.slack.com/services/1"]
    assert (slack.state, slack.consent_text) == (SubscriberState.ACTIVE, "Contract, section 7")


WRONG = {
    "email": "nobody",
    "slack": "https://example.slack.com/archives/C1",
    "sms": "0660 123456",
    "pigeon": "roof",
    "telegram": "a b",
}


def test_invalid_address_is_refused_and_kept(editor, people):
    for channel, address in WRONG.items():
        answer = editor.post(LIST, {"channel": channel, "address": address})
        assert answer.status_code == 422, channel
        assert f'value="{address}"' in answer.text, channel
    assert people() == {}


def test_subscriber_list_is_searched_and_filtered(editor, jane, committed, at):
    with committed():
        for name in ("anna@example.org", "bob@example.org"):
            subscribers.add(Contact.of(Channel.EMAIL, name), by=SYSTEM, at=at)
    assert "2 not confirmed" in text_of(editor.get(LIST))

    def shown(query):
        text = editor.get(f"{LIST}?{query}").text
        return [one for one in ("jane@", "anna@", "bob@") if one in text]

    assert shown("") == ["jane@", "anna@", "bob@"]
    assert shown("q=EXAMPLE.org") == ["anna@", "bob@"]
    assert shown("state=active") == ["jane@"]
    assert shown("channel=pigeon&state=none") == ["jane@", "anna@", "bob@"]
    assert shown("q=nobody") == []
    assert shown("page=99") == []


def test_subscriber_components_are_edited(editor, jane, committed, at, people):
    with committed():
        api = components.add_component("API", by=SYSTEM, at=at)
        db.session.flush()
        key = api.public_id
    editor.post(jane, {"component": key, "wants": "ends"})
    one = people()["jane@example.com"]
    assert ([each.public_id for each in one.components], one.wants) == ([key], "ends")
    assert editor.post(jane, {"wants": "twice"}).status_code == 422
    assert "start and end only" in text_of(editor.get(jane))


def test_subscriber_is_paused_resumed_tested_and_erased(editor, jane, people, recorded):
    editor.post(f"{jane}/test")
    editor.post(f"{jane}/quarantine")
    assert people()["jane@example.com"].state is SubscriberState.QUARANTINED
    assert editor.post(f"{jane}/test").status_code == 422
    editor.post(f"{jane}/reactivate")
    assert people()["jane@example.com"].state is SubscriberState.ACTIVE
    assert editor.post(f"{jane}/delete").status_code == 303
    assert list(people()) == [""]
    assert editor.get(jane).status_code == 404
    assert recorded()[1:] == [
        "subscriber.test_wanted",
        "subscriber.quarantined",
        "subscriber.reactivated",
        "subscriber.unsubscribed",
    ]


def test_confirmation_is_resent(editor, committed, at, recorded):
    with committed():
        made = subscribers.add(Contact.of(Channel.EMAIL, "a@example.com"), by=SYSTEM, at=at)
        db.session.flush()
        path = f"{LIST}/{made.public_id}/resend"
    editor.post(path)
    assert recorded() == ["subscriber.confirmation_wanted"] * 2


def test_import_stores_the_consent(editor, jane, people, recorded):
    answer = upload(editor, "E-mail address\rJANE@example.com\r\nx@example.com\nx@example.com\n\n")
    assert answer.status_code == 303
    found = people()
    assert set(found) == {"jane@example.com", "x@example.com"}
    assert found["x@example.com"].state is SubscriberState.ACTIVE
    assert found["x@example.com"].consent_text == CONSENT
    assert found["jane@example.com"].consent_text is None
    assert recorded()[-1] == "subscriber.imported"


NO_LISTS = {
    "no consent": ("a@example.com", " "),
    "empty": ("", CONSENT),
    "a wrong line": ("a@example.com\nnobody\n", CONSENT),
    "a cell without an end": (f'email\n"{"x" * 200_000}', CONSENT),
    "a wrong channel": ("channel,address\npigeon,roof\n", CONSENT),
    "too long": ("\n".join(f"{number}@example.com" for number in range(5_001)), CONSENT),
}


def test_import_is_all_or_nothing(editor, people):
    for reason, (text, consent) in NO_LISTS.items():
        assert upload(editor, text, consent).status_code == 422, reason
    assert people() == {}


def test_export_is_safe_in_a_spreadsheet_and_can_be_imported(
    editor, committed, at, people, recorded
):
    with committed():
        for channel, text in (
            (Channel.EMAIL, "=1+1@example.com"),
            (Channel.SMS, "+43660123456"),
            (Channel.WEBHOOK, "https://example.com/a,b?c=%22"),
        ):
            contact = Contact.of(channel, text)
            subscribers.add(
                contact, by=SYSTEM, at=at, is_confirmed=True, consent="@SUM(A1)\nsecond line"
            )
    exported = editor.post(f"{LIST}/export").text
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert [row["address"] for row in rows] == [
        "'=1+1@example.com",
        "'+43660123456",
        "https://example.com/a,b?c=%22",
    ]
    assert all(cell[:1] not in "=+-@\t\r" or not cell for row in rows for cell in row.values())
    assert recorded()[-1] == "subscriber.exported"
    before = set(people())
    with committed():
        db.session.execute(sa.delete(Subscriber))
    assert upload(editor, exported).status_code == 303
    assert set(people()) == before
    only = editor.post(f"{LIST}/export?channel=sms").text
    assert len(list(csv.DictReader(io.StringIO(only)))) == 1


def test_an_import_keeps_state_and_choice(editor, committed, at, people, app):
    with committed():
        group = components.add_group("Core; EU", by=SYSTEM, at=at)
        for name in ("API", "Queue, fast"):
            components.add_component(name, group=group, by=SYSTEM, at=at)
        listed = components.listed()
        incident = incidents.open_incident(
            "Slow", UpdateInput(status=IncidentStatus.INVESTIGATING, body="Slow."), by=SYSTEM, at=at
        )
        choices = {
            "all@example.com": Choice(),
            "two@example.com": Choice(listed, None, NotifyOn.ENDS, "de", "Asia/Tokyo"),
            "one@example.com": Choice(listed[:1], incident),
            "paused@example.com": Choice(),
            "gone@example.com": Choice(),
        }
        for name, choice in choices.items():
            contact = Contact.of(Channel.EMAIL, name)
            made = subscribers.add(
                contact, choice, by=SYSTEM, at=at, is_confirmed=True, consent=f"By {name}"
            )
            if name == "paused@example.com":
                subscribers.quarantine(made, by=SYSTEM, at=at)
            if name == "gone@example.com":
                subscribers.unsubscribe(made, by=SYSTEM, at=at)
        subscribers.add(Contact.of(Channel.EMAIL, "asked@example.com"), by=SYSTEM, at=at)

    def stored():
        with app.app_context():
            rows = db.session.scalars(sa.select(Subscriber).order_by(Subscriber.address))
            return {
                row.address: {**row.export, "id": None, "created_at": None, "quarantined_at": None}
                for row in rows
            }

    before = stored()
    exported = editor.post(f"{LIST}/export").text
    with committed():
        db.session.execute(sa.delete(Subscriber))
    answer = editor.post(
        f"{LIST}/import",
        {"file": (io.BytesIO(exported.encode()), "list.csv"), "consent": "Elsewhere"},
        follow_redirects=True,
    )
    assert "Lines left out: 1 " in answer.text
    del before["asked@example.com"], before[None]
    assert stored() == before


STATES = "channel,address,email,state,components\n" + "".join(
    f"email,{state}@x.example,,{state},\n"
    for state in ("active", "Quarantined", "unconfirmed", "unsubscribed")
)


def test_an_import_activates_nobody_who_was_not_active(editor, people):
    assert upload(editor, STATES).status_code == 303
    found = {address: row.state.value for address, row in people().items()}
    assert found == {"active@x.example": "active", "Quarantined@x.example": "quarantined"}


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ("a@example.com,cleaned,,", "“cleaned” is not a value of state."),
        ("a@example.com,,Elsewhere,", "This page has no component “Elsewhere”."),
        ("a@example.com,,,sometimes", "“sometimes” is not a value of updates."),
    ],
)
def test_an_import_refuses_a_word_that_it_does_not_know(editor, people, cells, sentence):
    answer = upload(editor, f"address,state,components,updates\n{cells}\n")
    assert (answer.status_code, sentence in text_of(answer)) == (422, True)
    assert people() == {}


SHEETS = {
    "semicolons": "email;name\nm\u00fcller@example.com;Anna, M\u00fcller\n",
    "tabs": "name\temail\nAnna, Bert; Carl\tm\u00fcller@example.com\n",
    "Excel's first line": "sep=;\r\nE-Mail-Adresse;Name\r\nm\u00fcller@example.com;Anna\r\n",
    "quotes": '"email";"a, b, c"\r"m\u00fcller@example.com";"x;y"\r',
    "no heading": "m\u00fcller@example.com;Anna\n;;\n ; ;\n",
    "one column": "m\u00fcller@example.com\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("text", SHEETS.values(), ids=SHEETS.keys())
def test_an_import_reads_the_files_of_spreadsheets(editor, people, text, encoding):
    text = text.replace("m\u00fcller@", "mueller@")
    assert upload(editor, text.encode(encoding)).status_code == 303
    assert list(people()) == ["mueller@example.com"]


def test_an_import_reads_windows_letters_of_component_names(editor, committed, at, people):
    with committed():
        components.add_component("Zahlung \u2013 \u20ac", by=SYSTEM, at=at)
    sheet = "email;components\r\na@example.com;Zahlung \u2013 \u20ac\r\n"
    assert upload(editor, sheet.encode("cp1252")).status_code == 303
    assert [one.name for one in people()["a@example.com"].components] == ["Zahlung \u2013 \u20ac"]


def test_viewer_sees_no_addresses(person, jane):
    viewer = person(Role.VIEWER, "Vera")
    for path in (LIST, jane, f"{LIST}/import"):
        assert viewer.get(path).status_code == 403
    assert viewer.post(f"{LIST}/export").status_code == 403
    assert LIST not in viewer.get("/admin").text


def test_incident_form_shows_the_number_of_recipients(editor, world, committed, at):
    path = "/admin/incidents/preview"
    sent = {"status": "investigating", "body": "Cards fail.", f"claim-{world.api}-on": "on"}
    assert "Reaches no subscriber" in editor.post(path, sent).text
    with committed():
        rows = {one.public_id: one for one in components.listed()}
        for name, choice in (
            ("all@example.com", Choice()),
            ("api@example.com", Choice([rows[world.api]], wants=NotifyOn.ENDS)),
            ("cards@example.com", Choice([rows[world.cards]])),
        ):
            contact = Contact.of(Channel.EMAIL, name)
            subscribers.add(contact, choice, by=SYSTEM, at=at, is_confirmed=True)
        subscribers.add(Contact.of(Channel.EMAIL, "new@example.com"), by=SYSTEM, at=at)
    assert "Reaches 2 subscribers: E-mail 2" in editor.post(path, sent).text


def test_push_subscriber_is_shown_exported_and_erased(editor, committed, at, people):
    endpoint = "https://updates.push.services.mozilla.com/wpush/v2/" + "a" * 200
    with committed():
        contact = Contact(Channel.WEB_PUSH, endpoint)
        one = subscribers.add(contact, by=SYSTEM, at=at, is_confirmed=True)
        db.session.flush()
        address = f"{LIST}/{one.public_id}"
    shown = text_of(editor.get(LIST))
    assert "Firefox Browser, everything" in shown
    assert endpoint not in shown
    assert "Firefox" in text_of(editor.get(address))
    exported = editor.post(f"{LIST}/export").text
    assert endpoint in exported
    assert editor.post(f"{address}/delete").status_code == 303
    assert upload(editor, exported).status_code == 303
    assert list(people()) == [""]


def test_a_subscriber_s_components_stand_in_the_order_of_the_page(editor, jane):
    page = text_of(editor.get(jane))
    assert page.index("Card payments") < page.index("Bank transfers") < page.rindex(" API ")


class TestWithoutAMailServer:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"smtp_url": None})

    def test_the_reach_counts_only_channels_that_can_send(self, editor, world, committed, at):
        with committed():
            for channel, address in (
                (Channel.EMAIL, "a@example.com"),
                (Channel.SLACK, "https://hooks.slack.com/services/T/B/x"),
            ):
                subscribers.add(Contact.of(channel, address), by=SYSTEM, at=at, is_confirmed=True)
        sent = {"status": "investigating", "body": "Cards fail.", f"claim-{world.api}-on": "on"}
        text = text_of(editor.post("/admin/incidents/preview", sent))
        assert "✓ Reaches 1 subscriber: Slack 1" in text
        missing = "No mail server is set up: set STATUSPAGE_SMTP_URL."
        assert f"· Does not reach 1 by E-mail. {missing}" in text

    def test_a_test_is_refused_with_the_missing_setting(self, editor, jane, recorded):
        assert "Nothing can be sent to this subscriber" in text_of(editor.get(jane))
        refused = editor.post(f"{jane}/test")
        assert refused.status_code == 422
        assert "Nothing was sent. No mail server is set up: set STATUSPAGE_SMTP_URL." in text_of(
            refused
        )
        assert "subscriber.test_wanted" not in recorded()

    def test_adding_someone_does_not_promise_a_confirmation(self, editor):
        form = {"channel": "email", "address": "new@example.com"}
        assert editor.post(LIST, form).status_code == 303
        assert "nothing can be sent to them yet. No mail server" in text_of(editor.get(LIST))
