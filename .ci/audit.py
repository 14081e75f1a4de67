"""Are there known vulnerabilities in what we depend on? Fails on one that is not allowed.

Where nobody can be asked (no network, a package index of one's own) it says so and passes:
a build must not depend on somebody else's server. `.ci/audit-allowed.txt` lists ids that were
looked into, each with its reason behind a #.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


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
        print(f"Vulnerabilities could not be asked for: {reason[:200]}")
        return
    print(judged(packages))
    if any(one.get("vulns") for one in packages):
        sys.exit(1)


def judged(packages: list[dict]) -> str:
    """One line for each vulnerability, and one that counts what was asked for."""
    lines = [
        f"{one['name']} {one['version']}: {found['id']}, fixed in"
        f" {', '.join(found['fix_versions']) or 'no version yet'}"
        for one in packages
        for found in one.get("vulns", ())
    ]
    unknown = sum("skip_reason" in one for one in packages)
    asked = f"{len(packages) - unknown} of {len(packages)} locked packages were asked for"
    return "\n".join([*lines, f"{asked}, {len(lines)} vulnerabilities are known."])


if __name__ == "__main__":
    main()
