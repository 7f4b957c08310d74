"""List the known vulnerabilities of the locked versions: python3 dev.py audit.

Exit code 0: none. 1: there are some. 2: the database could not be asked about all packages.
"""

from __future__ import annotations

import json
import subprocess
import sys

import dev


def main() -> int:
    """Ask pip-audit, print what it found and return the exit code."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    done = subprocess.run(
        [*command, "--format", "json", "-r", "requirements-dev.txt"],
        cwd=dev.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = done.stderr.strip().splitlines()[-1:] or ["pip-audit gave no answer"]
        print(f"The database of vulnerabilities could not be reached, so nothing is known: {reason[0][:300]}")
        return 2
    found = [(package, flaw) for package in packages for flaw in package.get("vulns", ())]
    for package, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {flaw['id']}, fixed in {fixed}")
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    print(f"{len(packages)} packages, {len(found)} known vulnerabilities, {len(skipped)} could not be checked.")
    return 1 if found else 2 if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
