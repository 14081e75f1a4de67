"""Are there known vulnerabilities in what we depend on? Fails on one that is not allowed.

Where nobody can be asked (no network, a package index of one's own) it warns and passes: a
build must not depend on somebody else's server. `AUDIT_MUST_ASK=1` lets it fail then, for
where the network is known to be there, as before a release. `.ci/audit-allowed.txt` lists
ids that were looked into, each with its reason behind a #.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
UNASKED = 3
"""The exit code where not every package was asked for and each must be."""


def allowed() -> list[str]:
    lines = (HERE / "audit-allowed.txt").read_text().splitlines()
    return [name for line in lines if (name := line.partition("#")[0].strip())]


def main() -> None:
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"]
    command += ["-r", str(HERE.parent / "requirements.txt"), "--progress-spinner", "off"]
    command += [word for name in allowed() for word in ("--ignore-vuln", name)]
    asked = subprocess.run([*command, "--format", "json"], capture_output=True, text=True)
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
        print(nothing_asked(reason[:200]))
        sys.exit(code([], must_ask=must_ask()))
    print(judged(packages))
    sys.exit(code(packages, must_ask=must_ask()))


def must_ask() -> bool:
    return os.environ.get("AUDIT_MUST_ASK", "0") not in ("", "0")


def code(packages: list[dict], *, must_ask: bool) -> int:
    if any(one.get("vulns") for one in packages):
        return 1
    is_all_asked = packages and not any("skip_reason" in one for one in packages)
    return UNASKED if must_ask and not is_all_asked else 0


def nothing_asked(reason: str) -> str:
    return (
        f"WARNING: NOTHING COULD BE ASKED, so nothing is known of vulnerabilities: {reason}."
        " Run `make audit` where the database of advisories can be reached."
    )


def judged(packages: list[dict]) -> str:
    """One line for each vulnerability, and one that counts what was asked for."""
    lines = [
        f"{one['name']} {one['version']}: {found['id']}, fixed in"
        f" {', '.join(found['fix_versions']) or 'no version yet'}"
        for one in packages
        for found in one.get("vulns", ())
    ]
    unknown = sum("skip_reason" in one for one in packages)
    if unknown == len(packages):
        reasons = {one["skip_reason"] for one in packages}
        return nothing_asked(min(reasons, default="no package is locked")[:200].rstrip("."))
    asked = f"{len(packages) - unknown} of {len(packages)} locked packages were asked for"
    return "\n".join([*lines, f"{asked}, {len(lines)} vulnerabilities are known."])


if __name__ == "__main__":
    main()
