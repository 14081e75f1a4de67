"""What a server installs is listed for who asks, and looked after."""

import importlib.util
import json
import re

import pytest

from statuspage.config import PROJECT

SBOM = PROJECT / "build" / "sbom.cdx.json"


def test_bill_of_materials_lists_each_locked_package():
    if not SBOM.exists():
        pytest.skip("`make sbom` writes the bill of materials")
    bill = json.loads(SBOM.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    locked = re.findall(
        r"^([a-zA-Z0-9_.-]+)(?:\[.*?\])?==([^ \\]+)",
        (PROJECT / "requirements.txt").read_text(),
        re.MULTILINE,
    )
    listed = {(component["name"], component["version"]) for component in bill["components"]}
    assert listed == set(locked)
    assert all(component["purl"] for component in bill["components"])


@pytest.fixture
def audit():
    spec = importlib.util.spec_from_file_location("audit", PROJECT / ".ci" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_audit_without_an_answer_claims_nothing(audit):
    away = [{"name": name, "skip_reason": "no index knows it"} for name in ("flask", "nh3")]
    said = audit.judged(away)
    assert said.startswith("WARNING: NOTHING COULD BE ASKED")
    assert "vulnerabilities are known" not in said
    assert [audit.code(away, must_ask=must) for must in (False, True)] == [0, 3]
    asked = [{"name": "flask", "version": "3", "vulns": []}]
    assert audit.code(asked, must_ask=True) == 0


def test_audit_names_a_known_vulnerability_and_its_fix(audit):
    said = audit.judged(
        [
            {
                "name": "flask",
                "version": "1.0",
                "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}],
            },
            {"name": "huey", "version": "3.5", "vulns": []},
            {"name": "nh3", "skip_reason": "nobody knows it"},
        ]
    )
    assert said.splitlines() == [
        "flask 1.0: CVE-1, fixed in 1.1",
        "2 of 3 locked packages were asked for, 1 vulnerabilities are known.",
    ]
