"""The image as its users meet it: built by the Dockerfile, run with mounted files, as root and not, and stopped."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_tests.image.base import BASE, make_base
from integration_tests.image.engine import (
    Container,
    Engine,
    Finished,
    Unavailable,
    cache_folder,
    require_tools,
)
from integration_tests.sandbox import Sandbox, Size
from integration_tests.sandbox.faults import Fault, hang

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Another name for each run, so that two at once do not take each other's.
IMAGE = f"localhost/source-pylon:test-{os.getpid()}"
INSTALLED = "/opt/source-pylon"
MOST_MEGABYTES = 300
"""Of what we add to the base. Nine tenths are the CDK's dependencies: pandas, numpy, gRPC and others."""

pytestmark = [pytest.mark.image_tests, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("image")]


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    """A container of the image, which is built for it. Skips where this machine cannot build one."""
    folder = cache_folder()
    try:
        require_tools()
        folder.mkdir(parents=True, exist_ok=True)
        engine = Engine(folder)
        began = time.monotonic()
        make_base(engine)
    except Unavailable as reason:
        pytest.skip(f"The image is not tested: {reason}")
    based = time.monotonic()
    engine.build(ROOT, IMAGE, {"BASE_IMAGE": BASE})
    print(f"Base image ready after {based - began:.0f} s, image built after {time.monotonic() - based:.0f} s more.")
    with Container(engine, IMAGE) as made:
        yield made
    engine.call("rmi", "--force", IMAGE)


@pytest.fixture(scope="module")
def pylon() -> Iterator[Sandbox]:
    with Sandbox(size=Size(issues=60), seed=3, limits=None) as sandbox:
        yield sandbox


@pytest.fixture
def files(tmp_path: Path, pylon: Sandbox) -> Path:
    """The folders `secrets` and `output`, as the README mounts them, and `integration_tests`, readable by everyone."""
    secrets, tests = tmp_path / "secrets", tmp_path / "integration_tests"
    streams = [
        {
            "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
            "sync_mode": "incremental",
            "destination_sync_mode": "append_dedup",
        }
        for name in ("issues", "accounts")
    ]
    write(secrets / "config.json", {"api_token": pylon.token, "api_url": pylon.url})
    write(tests / "two_streams.json", {"streams": streams})
    write(tmp_path / "output" / "catalog.json", {"streams": streams})
    write(tests / "configured_catalog.json", json.loads((HERE.parent / "configured_catalog.json").read_text()))
    write(secrets / "state.json", [])
    return tmp_path


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o755)
    path.write_text(json.dumps(content))
    path.chmod(0o644)


def mounts(files: Path) -> dict[Path, str]:
    return {files / "secrets": "/secrets", files / "integration_tests": "/integration_tests"}


CHECK = ("check", "--config", "/secrets/config.json")
READ = ("read", "--config", "/secrets/config.json", "--catalog", "/integration_tests/two_streams.json")


def status(finished: Finished) -> str:
    (message,) = finished.messages("CONNECTION_STATUS")
    return str(message["connectionStatus"]["status"])


# --- what the image says of itself ------------------------------------------------------------------------------------


def test_labels_name_the_connector_and_its_version(container: Container) -> None:
    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
    labels = container.settings["Labels"]
    assert labels["io.airbyte.name"] == metadata["dockerRepository"]
    assert labels["io.airbyte.version"] == metadata["dockerImageTag"]


def test_airbyte_and_docker_start_the_same_command(container: Container) -> None:
    assert container.variables["AIRBYTE_ENTRYPOINT"] == " ".join(container.settings["Entrypoint"])
    assert not container.settings.get("Cmd")


def test_nothing_runs_as_root(container: Container) -> None:
    assert container.execute("id", "-u").stdout.strip() == "1000"


def test_python_is_the_one_of_airbytes_base_image(container: Container) -> None:
    version = container.execute(f"{INSTALLED}/bin/python", "-c", "import sys; print(sys.version_info[:2])")
    assert version.stdout.strip() == "(3, 13)"


def test_only_the_connector_is_added_and_it_is_small(container: Container) -> None:
    base = Container(container.engine, BASE)
    with base:
        before = listing(base.root)
        after = listing(container.root)
    added = {path for path in after.keys() - before.keys() if not path.startswith(INSTALLED + "/")}
    assert added <= {INSTALLED, "/airbyte/integration_code", "/run/.containerenv"}
    assert {path for path in before if path not in after} == set()

    sizes: dict[str, int] = {}
    for path, size in after.items():
        if path.startswith(INSTALLED + "/"):
            name = re.sub(r"^.*/site-packages/([^/]+).*$", r"\1", path)
            sizes[name] = sizes.get(name, 0) + size
    total = sum(sizes.values()) / 1e6
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
    print(f"Added on top of the base: {total:.0f} MB (the connector's own code: {sizes['source_pylon'] / 1e6:.2f} MB).")
    print("Largest: " + ", ".join(f"{name} {size / 1e6:.0f}" for name, size in largest) + " MB.")
    assert total < MOST_MEGABYTES


def listing(root: Path) -> dict[str, int]:
    """Each file and folder under `root` with its size; what a running container mounts is left out."""
    found: dict[str, int] = {}
    for folder, folders, names in os.walk(root):
        place = "/" + str(Path(folder).relative_to(root)).strip(".")
        folders[:] = [name for name in folders if place != "/" or name not in ("proc", "sys", "dev", "run", "tmp")]
        for name in [*folders, *names]:
            path = Path(folder) / name
            found[str(Path(place) / name)] = path.lstat().st_size if name in names else 0
    return found


def test_the_package_is_complete_without_tests_and_tools(container: Container) -> None:
    (packages,) = (container.root / INSTALLED.strip("/")).glob("lib/python3.*/site-packages")
    sources = {path.relative_to(ROOT) for path in (ROOT / "source_pylon").rglob("*") if path.is_file()}
    installed = {path.relative_to(packages) for path in (packages / "source_pylon").rglob("*") if path.is_file()}
    compiled = {path for path in installed if path.suffix == ".pyc"}
    assert installed - compiled == {path for path in sources if path.suffix != ".pyc"}
    assert compiled, "without compiled files every start on a read-only file system compiles everything"
    for name in ("pip", "poetry", "pytest", "unit_tests", "integration_tests", "requests_mock"):
        assert not (packages / name).exists()
    assert not (container.root / "build").exists()


# --- what it does -----------------------------------------------------------------------------------------------------


def documented_commands() -> list[list[str]]:
    """The `docker run` lines of the README, as words, without the file that their output goes to."""
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip().startswith("docker run")]
    return [shlex.split(line.partition(" > ")[0]) for line in lines]


def test_every_docker_line_of_the_readme_works(container: Container, files: Path) -> None:
    verbs = []
    for words in documented_commands():
        image = next(index for index, word in enumerate(words) if word.startswith("source-pylon"))
        volumes = [words[index + 1] for index, word in enumerate(words[:image]) if word in ("-v", "--volume")]
        given = {}
        for volume in volumes:
            source, target, mode = volume.split(":")
            assert mode == "ro"
            given[Path(source.replace("$PWD", str(files)))] = target
        finished = container.run(*words[image + 1 :], mounts=given)
        assert finished.code == 0, finished.stdout + finished.stderr
        verbs.append(words[image + 1])
        kind = {"spec": "SPEC", "check": "CONNECTION_STATUS", "discover": "CATALOG", "read": "RECORD"}[verbs[-1]]
        assert finished.messages(kind)
    assert set(verbs) == {"spec", "check", "discover", "read"}


def test_the_first_read_emits_everything_and_the_second_only_changes(
    container: Container, files: Path, pylon: Sandbox
) -> None:
    first = container.run(*READ, mounts=mounts(files))
    assert first.code == 0, first.stdout[-2000:]
    ids = {message["record"]["data"]["id"] for message in first.messages("RECORD")}
    assert ids == {record["id"] for kind in ("issues", "accounts") for record in pylon.expected(kind)}

    states = {
        message["state"]["stream"]["stream_descriptor"]["name"]: message["state"] for message in first.messages("STATE")
    }
    write(files / "secrets" / "state.json", list(states.values()))
    second = container.run(*READ, "--state", "/secrets/state.json", mounts=mounts(files))
    assert second.code == 0
    assert len(second.messages("RECORD")) < len(first.messages("RECORD")) / 2


@pytest.mark.parametrize("user", ["0", "1000", "424242"])
def test_any_user_can_run_it(container: Container, files: Path, user: str) -> None:
    finished = container.run(*CHECK, mounts=mounts(files), user=user)
    assert (finished.code, status(finished)) == (0, "SUCCEEDED")


def test_a_file_that_only_root_may_read_is_named(container: Container, files: Path) -> None:
    (files / "secrets" / "config.json").chmod(0o600)
    assert status(container.run(*CHECK, mounts=mounts(files), user="0")) == "SUCCEEDED"
    refused = container.run(*CHECK, mounts=mounts(files))
    assert refused.code == 1
    (trace,) = refused.messages("TRACE")
    assert "/secrets/config.json" in trace["trace"]["error"]["message"]
    assert "Permission denied" in trace["trace"]["error"]["message"]


def test_runs_on_a_read_only_file_system(container: Container, files: Path, pylon: Sandbox) -> None:
    checked = to_the_end(container.start_read_only(*CHECK, mounts=mounts(files)))
    assert (checked.code, status(checked)) == (0, "SUCCEEDED"), checked.stdout[-2000:]
    read = to_the_end(container.start_read_only(*READ, mounts=mounts(files)))
    assert read.code == 0, read.stdout[-2000:] + read.stderr
    assert len(read.messages("RECORD")) == len(pylon.expected("issues")) + len(pylon.expected("accounts"))


def to_the_end(process: "subprocess.Popen[str]") -> Finished:
    stdout, stderr = process.communicate(timeout=120)
    return Finished(process.returncode, stdout, stderr)


def test_the_file_system_of_these_tests_really_is_read_only(container: Container, files: Path) -> None:
    container.settings = {**container.settings, "Entrypoint": ["sh", "-c", 'touch /tmp/x || echo "refused $(id -u)"']}
    try:
        tried = to_the_end(container.start_read_only(mounts=mounts(files)))
    finally:
        container.settings = container.engine.settings(container.image)
    assert tried.stdout.strip() == "refused 1000"


def test_stops_within_seconds_when_told_to(container: Container, files: Path, pylon: Sandbox) -> None:
    fault = Fault("GET /issues/{id}/messages", hang(), times=1000, after=10)
    pylon.faults.add(fault)
    process = container.start_read_only(*READ, mounts=mounts(files))
    try:
        wait_for_hanging(pylon, process)
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        stdout, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        pylon.faults.clear()
    assert time.monotonic() - told < 10
    assert process.returncode == -signal.SIGTERM
    for line in stdout.splitlines():
        json.loads(line)  # No line is cut off.


def wait_for_hanging(pylon: Sandbox, process: "subprocess.Popen[str]") -> None:
    # Standard output is not read meanwhile: what a few records need fits into a pipe's buffer.
    before = pylon.count("GET /issues/{id}/messages")
    deadline = time.monotonic() + 60
    while pylon.count("GET /issues/{id}/messages") < before + 15:
        assert process.poll() is None, "the connector ended by itself"
        assert time.monotonic() < deadline, "the connector asked for no messages"
        time.sleep(0.1)
