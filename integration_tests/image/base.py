"""A stand-in for Airbyte's base image: Debian 13 has the Python of it, 3.13, and neither has a compiler."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from integration_tests.image.engine import Engine, Unavailable

BASE = "localhost/python-connector-base:trixie"
_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
# What Airbyte's base has beside Python: the user, and the places that Airbyte mounts files in.
_LIKE_AIRBYTES = """
useradd --uid 1000 --no-create-home --home-dir /nonexistent airbyte
for place in /airbyte /custom_cache /secrets /config /nonexistent; do mkdir -p $place; chown airbyte: $place; done
"""


def make_base(engine: Engine) -> None:
    """Makes the base image unless the engine has it; raises Unavailable where Debian's packages cannot be had."""
    if engine.has(BASE):
        return
    # Beside the storage: Debian's tools make device nodes, which a temporary folder may forbid.
    folder = Path(tempfile.mkdtemp(prefix="debian-", dir=engine.folder))
    try:
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "trixie", str(folder / "root")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            end = "\n".join(done.stdout.strip().splitlines()[-10:])
            raise Unavailable(f"debootstrap cannot make a Debian 13 to build on:\n{end}")
        shutil.rmtree(folder / "root" / "var" / "cache" / "apt", ignore_errors=True)
        container = engine.call("from", "scratch")
        engine.call("copy", "--quiet", container, str(folder / "root"))
        engine.call("run", "--isolation", "chroot", container, "--", "sh", "-ec", _LIKE_AIRBYTES)
        engine.call("config", "--workingdir", "/airbyte", "--env", "TZ=UTC", container)
        engine.call("commit", "--quiet", container, BASE)
        engine.call("rm", container)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
