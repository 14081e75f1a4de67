"""Published clients of Statuspage work against this page when they are given its address.

`make clients` installs them, apart from everything else: they pin old libraries.
"""

import json
import subprocess
from pathlib import Path

import pytest

from statuspage.config import PROJECT
from statuspage.domain import page_settings, tokens
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.domain.tokens import Scope
from tests.conftest import on_sqlite

HERE = Path(__file__).parent
PYTHON = PROJECT / ".venv-clients" / "bin"

pytestmark = on_sqlite


installed = pytest.mark.skipif(not PYTHON.exists(), reason="`make clients` installs the clients")


@pytest.fixture
def troubled(committed, at):
    """A page with one of two components down; a token that may do everything."""
    with committed():
        page_settings.create("Brambleway", by=SYSTEM, at=at)
        payments = components.add_component("Payments", by=SYSTEM, at=at)
        components.add_component("Search", by=SYSTEM, at=at)
        incidents.open_incident(
            "Payments fail",
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body="We look into it.",
                claims={payments: Claim(ComponentStatus.PARTIAL_OUTAGE)},
            ),
            by=SYSTEM,
            at=at,
        )
        return tokens.create("client", scopes=[Scope.MANAGE], by=SYSTEM, at=at)[1]


@installed
def test_python_sdk_manages_components_and_incidents(live_url, troubled):
    done = subprocess.run(
        [PYTHON / "python", HERE / "manage_by_sdk.py", live_url, troubled],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "page": "Brambleway",
        "group": "Shop",
        "grouped": True,
        "opened": ["investigating", "minor", "partial_outage"],
        "unresolved": ["Checkout errors", "Payments fail"],
        "resolved": ["resolved", "operational"],
        "updates": ["Fixed.", "One in ten payments fails."],
        "left": ["Payments fail"],
        "gone": 404,
    }


@installed
def test_prometheus_exporter_reads_the_summary(live_url, troubled, tmp_path):
    services = {"ours": {"url": f"{live_url}/api/v2/summary.json", "name": "Ours"}}
    (tmp_path / "services.json").write_text(json.dumps(services))
    done = subprocess.run(
        [PYTHON / "statuspage-prometheus-exporter"],
        env={"RUN_MODE": "once", "METRICS_TEXTFILE_PATH": "found.prom"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    metrics = (tmp_path / "found.prom").read_text()
    assert 'component_name="Payments"' in metrics
    assert "Payments fail" in metrics
