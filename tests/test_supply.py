"""What a server installs is listed for who asks, and looked after."""

import importlib.util
import json
import re

import pytest

from statuspage.config import PROJECT

SBOM = PROJECT / "build" / "sbom.cdx.json"


def test_the_bill_of_materials_lists_each_locked_package():
    if not SBOM.exists():
        pytest.skip("`make sbom` writes the bill of materials")
    bill = json.loads(SBOM.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    locked = re.findall(
        r"^([a-zA-Z0-9_.-]+)(?:\[.*?\])?==([^ \\]+)",
        (PROJECT / "requirements.txt").read_text(),
        re.MULTILINE,
    )
    listed = {(one["name"], one["version"]) for one in bill["components"]}
    assert listed == set(locked)
    assert all(one["purl"] for one in bill["components"])


def test_a_known_vulnerability_is_named_with_what_to_install():
    spec = importlib.util.spec_from_file_location("audit", PROJECT / ".ci" / "audit.py")
    audit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(audit)
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
