"""The description of the APIs, for machines and for people."""

import re

import pytest

from statuspage.config import PROJECT
from statuspage.domain import page_settings
from statuspage.domain.events import SYSTEM
from statuspage.web.operations import OPERATIONS
from tests.conftest import on_sqlite

pytestmark = on_sqlite


@pytest.fixture
def document(client):
    return client.get("/api/openapi.json").json


def test_schema_names_are_stable(document):
    names = document["components"]["schemas"].keys()
    assert {
        "statuspage__web__manage__groups__GroupBody",
        "statuspage__web__manage__page_access_groups__GroupBody",
        "statuspage__web__manage__page_access_users__UserBody",
        "statuspage__web__manage__team__UserBody",
        "PageBody",
    } <= names
    assert not [name for name in names if "api_v1" in name]


def test_every_operation_is_described(document):
    told = {
        one["operationId"]: (method, path)
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    }
    for operation in OPERATIONS:
        assert told[operation.id] == (operation.method.lower(), f"/v1{operation.path}")


@pytest.mark.parametrize(
    "schema, field, words",
    [
        ("AffectedComponent", "code", "Its id."),
        ("IncidentFields", "deliver_notifications", "Null: true."),
    ],
)
def test_a_field_has_the_sentence_below_it_as_description(document, schema, field, words):
    assert document["components"]["schemas"][schema]["properties"][field]["description"] == words


def test_every_address_that_is_described_is_served(document, app):
    rules = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules()}
    assert set(document["paths"]) <= rules


def test_field_docstrings_describe_inherited_fields(document):
    schemas = document["components"]["schemas"]
    status = schemas["PageStatus"]["properties"]
    assert status["indicator"]["description"].startswith("`none`, `maintenance`")
    assert "description" not in status["description"]
    told = schemas["WhomBody"]["properties"]["subscribers"]["description"]
    assert told == schemas["UnsubscribeBody"]["properties"]["subscribers"]["description"]


def test_openapi_references_resolve(document, client):
    text = client.get("/api/openapi.json").text
    for target in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        here = document
        for part in target.split("/"):
            here = here[part]


def test_openapi_allows_other_origins_and_revalidates(client):
    first = client.get("/api/openapi.json")
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    again = client.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_reference_page_lists_every_operation_without_script(client, committed, at, document):
    with committed():
        page_settings.create("Brambleway", by=SYSTEM, at=at)
    page = client.get("/api/reference").text
    for operation in OPERATIONS:
        assert f"<code>/v1{operation.path}</code>" in page
    assert "style=" not in page
    for address in re.findall(r'(?:src|href)="(https?:[^"]+)"', page):
        assert address.startswith("https://status.example.com")


def test_openapi_version_is_the_project_version(document):
    assert f'version = "{document["info"]["version"]}"' in (PROJECT / "pyproject.toml").read_text()
