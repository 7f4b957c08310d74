"""Building and running images with buildah, in folders of our own: nothing of the machine's container storage is used.

Needs root, debootstrap and buildah. As root on a machine with apt, the two are installed when they are missing.
Whatever cannot be had raises Unavailable, with a text that says what is missing; a build that fails raises
BuildFailed with the end of its output.
"""

import ast
import configparser
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CERTIFICATES = Path("/etc/ssl/certs")
_TOOLS = ("buildah", "debootstrap")
_ISOLATION = ("--isolation", "chroot")

# Runs what follows in the file system $1 as user $2, mounted the way `docker run --read-only` does it: nothing can be
# written but /dev/shm. Each further "source:target" up to "--" is mounted read-only. It all ends in one process, so a
# signal sent to it reaches the connector, as it does in a container.
_READ_ONLY = """
root=$1; user=$2; shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -m 1777 "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
while [ "$1" != "--" ]; do
    mount --bind "${1%%:*}" "$root${1#*:}"
    mount -o remount,bind,ro "$root${1#*:}"
    shift
done
shift
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" "$@"
"""


class Unavailable(Exception):
    """This machine cannot build images; the text says why."""


class BuildFailed(Exception):
    """A build ended with an error; the text is the end of its output."""


@dataclass
class Finished:
    """What a run gave."""

    code: int
    stdout: str
    stderr: str

    def messages(self, kind: str) -> list[dict[str, Any]]:
        """The Airbyte messages of one type on standard output; raises ValueError where a line is not JSON."""
        lines = [json.loads(line) for line in self.stdout.splitlines() if line.strip()]
        return [line for line in lines if line["type"] == kind]


def require_tools() -> None:
    """Installs what is missing, or raises Unavailable."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Unavailable("images are built here by debootstrap and buildah, which need Linux and root")
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise Unavailable(f"{' and '.join(missing)} are not installed, and there is no apt-get to install them with")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode or any(shutil.which(tool) is None for tool in missing):
        raise Unavailable(f"apt-get cannot install {' and '.join(missing)}:\n{_end(done.stderr or done.stdout)}")


def cache_folder() -> Path:
    """Where the base image is kept between runs: a folder of the user's cache, outside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "source-pylon" / "image"


@dataclass
class Engine:
    """buildah with its storage in `folder`."""

    folder: Path
    environment: dict[str, str] = field(default_factory=lambda: {**os.environ, "STORAGE_DRIVER": "vfs"})

    def call(self, *arguments: str, cwd: Path | None = None) -> str:
        """buildah's standard output, stripped; raises BuildFailed."""
        done = self._run(arguments, cwd)
        if done.returncode:
            raise BuildFailed(f"buildah {' '.join(arguments)}:\n{_end(done.stdout + done.stderr)}")
        return done.stdout.strip()

    def _run(self, arguments: Sequence[str], cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        storage = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        return subprocess.run(
            ["buildah", *storage, *arguments],
            cwd=cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def has(self, image: str) -> bool:
        """Whether the storage holds an image."""
        return self._run(["inspect", "--type", "image", image]).returncode == 0

    def build(self, context: Path, image: str, arguments: Mapping[str, str]) -> None:
        """Builds the Dockerfile in `context`; pip finds its index and certificates as on this machine."""
        # In a file for this build alone: an index's address may hold a password.
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as settings:
            settings.write(pip_settings())
            settings.flush()
            self._build(context, image, arguments, settings.name)

    def _build(self, context: Path, image: str, arguments: Mapping[str, str], settings: str) -> None:
        mounts = ["--volume", f"{settings}:/etc/pip.conf:ro"]
        if CERTIFICATES.is_dir():
            mounts += ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
        given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        self.call("bud", *_ISOLATION, "--layers=false", "--force-rm", *mounts, *given, "--tag", image, ".", cwd=context)

    def settings(self, image: str) -> dict[str, Any]:
        """What an image says about running it: `Entrypoint`, `Env`, `Labels`, `User`, `WorkingDir`."""
        described = json.loads(self.call("inspect", "--type", "image", image))
        settings: dict[str, Any] = described["OCIv1"]["config"]
        return settings


@dataclass
class Container:
    """A container of an image; what it runs shares the network of this machine, its loopback included."""

    engine: Engine
    image: str
    name: str = ""
    root: Path = Path()
    settings: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> "Container":
        self.name = self.engine.call("from", "--pull-never", self.image)
        self.root = Path(self.engine.call("mount", self.name))
        self.settings = self.engine.settings(self.image)
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.call("umount", self.name)
        self.engine.call("rm", self.name)

    @property
    def variables(self) -> dict[str, str]:
        """The image's environment variables."""
        return dict(variable.split("=", 1) for variable in self.settings["Env"])

    def run(self, *arguments: str, mounts: Mapping[Path, str] | None = None, user: str = "") -> Finished:
        """The image's entry point with `arguments`, as `docker run --rm -v SOURCE:TARGET:ro IMAGE ARGUMENTS` does."""
        return self.execute(*self.settings["Entrypoint"], *arguments, mounts=mounts, user=user)

    def execute(self, *command: str, mounts: Mapping[Path, str] | None = None, user: str = "") -> Finished:
        """Any command in the container, as the image's user or another."""
        volumes = [part for item in (mounts or {}).items() for part in ("--volume", f"{item[0]}:{item[1]}:ro")]
        as_user = ["--user", user] if user else []
        done = self.engine._run(["run", *_ISOLATION, *as_user, *volumes, self.name, "--", *command])
        return Finished(done.returncode, done.stdout, done.stderr)

    def start_read_only(self, *arguments: str, mounts: Mapping[Path, str]) -> "subprocess.Popen[str]":
        """The entry point as the image's user, on a read-only root file system; the process is the connector's own.

        The targets of `mounts` must be in the image already.
        """
        user = str(self.settings["User"])
        volumes = [f"{source}:{target}" for source, target in mounts.items()]
        script = ["unshare", "--mount", "sh", "-ec", _READ_ONLY, "sh", str(self.root), f"{user}:{user}"]
        return subprocess.Popen(
            [*script, *volumes, "--", *self.settings["Entrypoint"], *arguments],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def pip_settings() -> str:
    """This machine's settings of pip, from its files and environment, as a pip.conf for inside a build.

    Left out is what names a place on this machine's disk, but for the certificates, which are mounted.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    written = configparser.RawConfigParser()
    for line in listed.splitlines():
        name, _, quoted = line.partition("=")
        section, _, option = name.rpartition(".")
        section = "global" if section == ":env:" else section
        value = str(ast.literal_eval(quoted))
        is_local = value.startswith("/") or "file:" in value
        if is_local and not value.startswith(str(CERTIFICATES)):
            continue
        if section not in written:
            written.add_section(section)
        written.set(section, option, value)
    text = io.StringIO()
    written.write(text)
    return text.getvalue()


def _end(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-40:])
