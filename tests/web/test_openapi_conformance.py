"""Both APIs keep to their description, whatever is sent: valid, invalid and odd requests."""

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from statuspage.domain import metrics, page_access, page_settings, tokens
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.domain.tokens import Scope
from statuspage.web import openapi
from statuspage.web.public.api_v2_schemas import READINGS, PublicIncident, PublicUpdate
from tests.conftest import on_sqlite

EXAMPLES = 3
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"api_requests_per_second": 100_000})


@pytest.fixture
def known(committed, at):
    """What the described operations are about here: values of path parameters, and a token."""
    with committed():
        page = page_settings.create("Brambleway", by=SYSTEM, at=at)
        component = components.add_component("API", by=SYSTEM, at=at)
        incident = incidents.open_incident(
            "Errors",
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body="We look into it.",
                claims={component: Claim(ComponentStatus.PARTIAL_OUTAGE)},
            ),
            by=SYSTEM,
            at=at,
        )
        provider = metrics.add_provider(metrics.SELF, by=SYSTEM, at=at)
        metric = metrics.add(provider, metrics.Facts("Latency"), by=SYSTEM, at=at)
        user = page_access.add_user(email="a@example.com", external_login=None, by=SYSTEM, at=at)
        group = page_access.add_group("Customers", by=SYSTEM, at=at)
        _, secret = tokens.create("schemathesis", scopes=[Scope.MANAGE], by=SYSTEM, at=at)
        return {
            "page_id": page.public_id,
            "organization_id": page.public_id,
            "component_id": component.public_id,
            "public_id": incident.public_id,
            "metrics_provider_id": provider.public_id,
            "metric_id": metric.public_id,
            "page_access_user_id": user.public_id,
            "page_access_group_id": group.public_id,
        }, secret


@on_sqlite
@pytest.mark.parametrize("noun", openapi.nouns())
def test_every_operation_conforms_to_its_description(app, known, noun):
    keys, secret = known
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app).include(tag=noun)
    tried = []

    for found in schema.get_all_operations():
        operation = found.ok()

        @hypothesis.given(operation.as_strategy())
        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        def keeps_to_it(case):
            case.path_parameters |= {
                name: keys[name] for name in case.path_parameters if name in keys
            }
            # Nothing between us and the application would unpack an answer.
            headers = {"Authorization": f"OAuth {secret}", "Accept-Encoding": "identity"}
            case.call_and_validate(headers=headers, checks=CHECKS)

        keeps_to_it()
        tried.append(operation.label)
    assert tried


@on_sqlite
@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("one", READINGS, ids=lambda one: one.id)
def test_public_documents_have_exactly_the_described_keys(client, known, one):
    keys, _ = known
    answer = client.get(one.path.format_map(keys)).json
    told = one.returns.model_validate(answer)
    assert list(answer) == list(one.returns.model_fields)
    for incident in answer.get("incidents", []):
        assert list(incident) == list(PublicIncident.model_fields)
        for update in incident["incident_updates"]:
            assert list(update) == list(PublicUpdate.model_fields)
    assert told.page.name == "Brambleway"
