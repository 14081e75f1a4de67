"""Postmortems by the Manage API: one text, drafted, published, taken back."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspage.domain import events
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.postmortem_text import join_parts, split_parts
from statuspage.domain.incidents.postmortems import Action, Part
from statuspage.domain.tokens import Scope
from tests.conftest import on_sqlite

KEYS = [
    "preview_key",
    "body",
    "body_updated_at",
    "body_draft",
    "body_draft_updated_at",
    "published_at",
    "notify_subscribers",
    "notify_twitter",
    "custom_tweet",
    "created_at",
    "updated_at",
]
FREE = "# What happened\n\nA bad *deploy*.\n\n## Timeline\n\n- 12:00 down\n"
STRUCTURED = "## Summary\n\nIt was down.\n\n## Root cause\n\nA bad deploy.\n\nAnd luck.\n"


@pytest.fixture
def incident(program):
    sent = {"incident": {"name": "Errors", "status": "resolved"}}
    return program.post("/incidents", sent).json


@pytest.fixture
def path(incident):
    return f"/incidents/{incident['id']}/postmortem"


@pytest.fixture
def write(program, path, traveller):
    """`write("…")` saves a draft a minute later."""

    def send(text):
        traveller.shift(timedelta(minutes=1))
        return program.put(path, {"postmortem": {"body_draft": text}})

    return send


@pytest.fixture
def publish(program, path, traveller):
    def send(**fields):
        traveller.shift(timedelta(minutes=1))
        return program.put(f"{path}/publish", {"postmortem": fields} if fields else None)

    return send


def of(program, incident):
    return program.get(f"/incidents/{incident['id']}").json


# ── the text ───────────────────────────────────────────────────────────────────


TEXTS = [
    FREE,
    STRUCTURED,
    "One line.",
    "  Space at both ends \n\n",
    "## Summary\n\nOnly this.",
    "## Root cause\n\nOnly that.",
    "Words before.\n\n## Root cause\n\nA bad deploy.",
    "## Root cause\n\nThe order is another.\n\n## Summary\n\nIt was down.",
    "## Summary\n\nTwice.\n\n## Summary\n\nTwice.",
    "## Summary\n\n \n\n## Root cause\n\nA bad deploy.",
    "## Summary\n\nOne.\n\n## Lessons\n\nTwo.",
    "## Summary\nNo empty line.",
]


@on_sqlite
def test_postmortem_text_is_returned_as_written(program, path, write, publish):
    public = None
    for text in TEXTS:
        written = write(text)
        assert (written.status_code, list(written.json)) == (200, KEYS)
        assert (written.json["body_draft"], written.json["body"]) == (text, public)
        public = publish().json["body"]
        assert public == program.get(path).json["body_draft"] == text


@given(
    st.lists(
        st.sampled_from(["## Summary", "## Root cause", "## Impact", "\n\n", "\n", "word", " "])
    ).map("".join)
)
def test_postmortem_parts_rebuild_any_text(text):
    assert join_parts({part.value: words for part, words in split_parts(text).items()}) == text


@on_sqlite
def test_headings_become_parts_in_the_admin(write, app, incident):
    write(STRUCTURED)
    with app.app_context():
        row = postmortems.of(incidents.get(incident["id"]))
        assert row.parts == {
            "summary": "It was down.",
            "root_cause": "A bad deploy.\n\nAnd luck.\n",
        }


@on_sqlite
def test_admin_postmortem_is_one_text_and_keeps_its_actions(
    program, path, incident, committed, write, publish, at
):
    with committed():
        row = incidents.get(incident["id"])
        parts = {Part.SUMMARY: "Down.", Part.ROOT_CAUSE: "A deploy.", Part.LUCK: "Night."}
        action = Action("Add a test", due_on=date(2026, 4, 1), owner="Anna")
        postmortems.save(row, parts, [action], expected_version=None, by=SYSTEM, at=at)
    read = program.get(path).json["body_draft"]
    assert read == (
        "## Summary\n\nDown.\n\n## Root cause\n\nA deploy.\n\n## Where we were lucky\n\nNight."
    )
    write(read.replace("Night.", "At night."))
    with committed():
        row = postmortems.of(incidents.get(incident["id"]))
        assert row.parts["luck"] == "At night."
        (kept,) = row.actions
        assert (kept.title, kept.owner, kept.due_on) == ("Add a test", "Anna", date(2026, 4, 1))


# ── its life ───────────────────────────────────────────────────────────────────


def test_published_postmortem_is_on_the_page_and_the_incident(
    program, incident, path, write, publish, client, app
):
    assert program.get(path).status_code == 404
    write(FREE)
    assert of(program, incident) == incident
    published = publish(notify_subscribers=True, notify_twitter=True, custom_tweet="Read.").json
    assert published["published_at"] == published["body_updated_at"] == "2026-03-10T12:02:00Z"
    assert (published["notify_subscribers"], published["notify_twitter"]) == (True, True)
    assert published["custom_tweet"] == "Read."
    assert program.get(path).json == published
    seen = of(program, incident)
    newest = seen["incident_updates"][0]
    assert seen["status"] == newest["status"] == "postmortem"
    assert seen["postmortem_body"] == newest["body"] == FREE
    assert list(newest) == list(seen["incident_updates"][1])
    assert seen["postmortem_body_last_updated_at"] == "2026-03-10T12:02:00Z"
    assert seen["postmortem_published_at"] == "2026-03-10T12:02:00Z"
    assert seen["postmortem_notified_subscribers"] is True
    assert seen["postmortem_notified_twitter"] is seen["postmortem_ignored"] is False
    assert program.get("/incidents").json == [seen]
    assert "<em>deploy</em>" in client.get(f"/incidents/{incident['id']}").text
    with app.app_context():
        (event,) = [one for one in events.latest(5) if one.kind == "postmortem.published"]
        assert (event.actor_name, event.notify) == ("deployer", True)


@on_sqlite
def test_postmortem_is_sent_only_if_requested(program, incident, write, publish, app):
    write(FREE)
    assert publish().json["notify_subscribers"] is False
    assert of(program, incident)["postmortem_notified_subscribers"] is False
    with app.app_context():
        assert events.latest(1)[0].notify is False


@on_sqlite
def test_published_text_stays_until_the_new_one_is_published(
    program, incident, path, write, publish, client
):
    write("The old text.")
    publish()
    draft = write("The new text.").json
    assert (draft["body"], draft["body_draft"]) == ("The old text.", "The new text.")
    assert of(program, incident)["postmortem_body"] == "The old text."
    assert publish().json["body_updated_at"] == "2026-03-10T12:04:00Z"
    assert of(program, incident)["postmortem_published_at"] == "2026-03-10T12:02:00Z"
    page = client.get(f"/incidents/{incident['id']}").text
    assert "<del>old</del>" in page


@on_sqlite
def test_later_update_keeps_the_postmortem(program, incident, write, publish):
    write(FREE)
    publish()
    address = f"/incidents/{incident['id']}"
    for word in ("postmortem", "resolved"):
        assert program.patch(address, {"incident": {"status": word}}).json["status"] == "postmortem"
    seen = program.patch(address, {"incident": {"body": "One more thing."}}).json
    assert (seen["status"], seen["incident_updates"][0]["status"]) == ("postmortem", "resolved")


def test_reverted_postmortem_is_a_draft_and_leaves_the_page(
    program, incident, path, write, publish, client, app
):
    write("The first text.")
    publish(notify_subscribers=True)
    reverted = program.put(f"{path}/revert").json
    assert (reverted["body"], reverted["body_draft"]) == (None, "The first text.")
    assert (reverted["published_at"], reverted["notify_subscribers"]) == (None, False)
    seen = of(program, incident)
    assert (seen["status"], seen["postmortem_body"]) == ("resolved", None)
    page = client.get(f"/incidents/{incident['id']}").text
    assert "The first text." not in page
    assert "corrected from “<bdi>published</bdi>” to “<bdi>withdrawn</bdi>”" in page
    with app.app_context():
        newest = events.latest(1)[0]
        assert (newest.kind, newest.actor_name) == ("postmortem.withdrawn", "deployer")
        (version,) = postmortems.of(incidents.get(incident["id"])).versions
        assert version.parts == {"summary": "The first text."}
    assert program.put(f"{path}/revert").json == reverted
    write("The second text.")
    assert publish().json["body"] == "The second text."
    assert of(program, incident)["status"] == "postmortem"


@on_sqlite
def test_deleted_draft_is_gone(program, incident, path, write):
    write(FREE)
    gone = program.delete(path)
    assert (gone.status_code, gone.data, gone.headers.get("Content-Type")) == (204, b"", None)
    assert program.get(path).status_code == program.delete(path).status_code == 404
    assert write("Anew.").json["body_draft"] == "Anew."


@on_sqlite
def test_deleted_postmortem_leaves_the_page_and_stays_stored(
    program, incident, path, write, publish, client, app
):
    write("The first text.")
    publish()
    assert program.delete(path).status_code == 204
    for method, address in (("GET", path), ("PUT", f"{path}/publish"), ("PUT", f"{path}/revert")):
        assert program.send(method, address).status_code == 404
    assert of(program, incident)["status"] == "resolved"
    page = client.get(f"/incidents/{incident['id']}").text
    assert "withdrawn" in page
    assert "The first text." not in page
    with app.app_context():
        row = postmortems.of(incidents.get(incident["id"]))
        assert (row.parts, len(row.versions)) == ({}, 1)
        assert postmortems.listed() == []
        kinds = [event.kind for event in events.latest(2)]
        assert kinds == ["postmortem.draft_deleted", "postmortem.withdrawn"]
    assert write("Anew.").json["body_draft"] == "Anew."
    assert publish().json["body"] == "Anew."


# ── what is refused ────────────────────────────────────────────────────────────


@on_sqlite
def test_postmortem_requires_a_resolved_incident(program):
    made = program.post("/incidents", {"incident": {"name": "Errors"}}).json
    path = f"/incidents/{made['id']}/postmortem"
    refused = program.put(path, {"postmortem": {"body_draft": "Too early."}})
    assert (refused.status_code, "resolved" in refused.json["message"]) == (422, True)
    assert program.get(path).status_code == 404


@on_sqlite
def test_invalid_postmortem_text_is_refused(program, path):
    for sent in (None, " \n", ["a"], "x" * 25_001):
        refused = program.put(path, {"postmortem": {"body_draft": sent}})
        assert (refused.status_code, "body_draft" in refused.json["message"]) == (422, True)
    for body in ({}, {"postmortem": {}}, {"postmortem": 1}):
        assert program.put(path, body).status_code == 422
    assert program.get(path).status_code == 404


@on_sqlite
def test_postmortem_of_an_unknown_incident_is_a_404(program):
    for method in ("GET", "PUT", "DELETE"):
        sent = {"json": {"postmortem": {"body_draft": "X"}}} if method == "PUT" else {}
        assert program.send(method, "/incidents/nothing/postmortem", **sent).status_code == 404


@on_sqlite
def test_read_scope_sees_no_draft(program_with, write, path):
    write("Not for everyone.")
    assert program_with(Scope.READ).get(path).status_code == 403
    assert program_with(Scope.INCIDENTS).get(path).status_code == 200
