"""Airbyte's QA rules for connectors, each checked here the way Airbyte's own checker does it.

Two are not. "Python connectors must not use a Dockerfile": that rule is for connectors which Airbyte's pipeline builds;
this repository must also build without it, and `test_the_dockerfile_builds_on_the_declared_base` keeps the two builds
on the same base. "The version must be bumped in each pull request" compares with another branch; here the changelogs
must have an entry for the version instead. That links answer is left out too: tests need no network.
"""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from scripts.lock import read_toml
from source_pylon.config import connection_specification

ROOT = Path(__file__).parents[1]
NAME = "Pylon"
DOCUMENTATION = ROOT / "docs" / "pylon.md"

# Headings of Airbyte's template for documentation; None stands where a connector may have its own.
TEMPLATE: list[tuple[str | None, bool]] = [
    (NAME, True),
    ("Prerequisites", True),
    ("Setup guide", True),
    (f"Set up {NAME}", True),
    ("For Airbyte Cloud:", False),
    ("For Airbyte Open Source:", False),
    (None, False),
    (f"Set up the {NAME} connector in Airbyte", False),
    ("For Airbyte Cloud:", False),
    ("For Airbyte Open Source:", False),
    (None, False),
    ("Supported sync modes", True),
    ("Supported Streams", True),
    (None, False),
    ("Performance considerations", False),
    ("Data type map", False),
    ("Limitations & Troubleshooting", False),
    (None, False),
    ("Tutorials", False),
    ("Changelog", True),
]


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
    return content


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    content: dict[str, Any] = read_toml(ROOT / "pyproject.toml")["tool"]["poetry"]
    return content


# --- packaging --------------------------------------------------------------------------------------------------------


def test_dependencies_are_managed_by_poetry(project: dict[str, Any]) -> None:
    assert (ROOT / "poetry.lock").is_file()
    assert not (ROOT / "setup.py").exists()
    assert "dependencies" in project


def test_license_is_accepted_by_airbyte_and_the_same_everywhere(
    metadata: dict[str, Any], project: dict[str, Any]
) -> None:
    assert metadata["license"].upper() in ("MIT", "ELV2")
    assert project["license"].lower() == metadata["license"].lower()
    assert (ROOT / "LICENSE").read_text().startswith(f"{metadata['license']} License")


def test_version_is_semantic_and_the_same_everywhere(metadata: dict[str, Any], project: dict[str, Any]) -> None:
    version = metadata["dockerImageTag"]
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?", version)
    assert project["version"] == version
    assert re.findall(r'io\.airbyte\.version="(.*)"', dockerfile()) == [version]
    assert newest_entry((ROOT / "CHANGELOG.md").read_text(), r"^## \[?([0-9][^\s\]]*)") == version
    assert newest_entry(section("Changelog"), r"^\| (\d\S*) +\|") == version


def newest_entry(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else "none"


def test_name_is_the_same_everywhere(metadata: dict[str, Any], project: dict[str, Any]) -> None:
    assert metadata["name"] == NAME
    assert re.findall(r'io\.airbyte\.name="(.*)"', dockerfile()) == [metadata["dockerRepository"]]
    # Airbyte's own build starts the console script that is called like the connector's directory.
    assert project["name"] == metadata["githubIssueLabel"] == "source-pylon"
    assert project["scripts"] == {"source-pylon": "source_pylon.run:run"}


def test_publishing_to_pypi_is_declared(metadata: dict[str, Any], project: dict[str, Any]) -> None:
    assert metadata["remoteRegistries"]["pypi"] == {"enabled": True, "packageName": project["name"]}


# --- metadata ---------------------------------------------------------------------------------------------------------


def test_one_language_and_one_cdk_are_tagged(metadata: dict[str, Any]) -> None:
    tags = metadata["tags"]
    assert all(re.fullmatch(r"[a-z]+:[a-z-]+", tag) for tag in tags)
    assert [tag for tag in tags if tag.startswith("language:")] == ["language:python"]
    assert [tag for tag in tags if tag.startswith("cdk:")] == ["cdk:python"]
    assert not (ROOT / "source_pylon" / "manifest.yaml").exists()


def test_longest_silence_is_declared(metadata: dict[str, Any]) -> None:
    assert metadata["maxSecondsBetweenMessages"] > 0


def test_breaking_changes_come_with_a_migration_guide(metadata: dict[str, Any]) -> None:
    breaking = metadata["releases"].get("breakingChanges", {})
    guide = ROOT / "docs" / "pylon-migrations.md"
    lines = guide.read_text().splitlines() if guide.exists() else []
    versions = [line.removeprefix("## Upgrading to ") for line in lines if line.startswith("## Upgrading to ")]
    assert versions == sorted(breaking, reverse=True)
    assert not breaking or lines[0] == f"# {NAME} Migration Guide"


# --- assets -----------------------------------------------------------------------------------------------------------


def test_icon_is_a_square_svg(metadata: dict[str, Any]) -> None:
    assert metadata["icon"] == "icon.svg"
    icon = ElementTree.parse(ROOT / "icon.svg").getroot()
    assert icon.tag == "{http://www.w3.org/2000/svg}svg"
    assert icon.get("width") == icon.get("height")
    left, top, width, height = (icon.get("viewBox") or "").split()
    assert (left, top, width) == ("0", "0", height)


# --- security ---------------------------------------------------------------------------------------------------------

_NOT_CHECKED = {"__pycache__", "tests", "unit_tests", "integration_tests", "build", "dist", "output", "secrets"}
"""What Airbyte's rule leaves out, and what is made here and not kept: the demonstration names a loopback address."""

_COMMENTS = {".py": "#", ".yml": "#", ".yaml": "#", ".md": "<!--"}


def plain_http(path: Path) -> list[int]:
    """The lines of a file that Airbyte's rule objects to."""
    found = []
    comment = _COMMENTS.get(path.suffix)
    for number, line in enumerate(path.read_text(encoding="utf-8").lower().splitlines(), 1):
        if (comment and line.lstrip().startswith(comment)) or "# ignore-https-check" in line:
            continue
        if "http://" in line.replace("http://json-schema.org", "").replace("http://localhost", ""):
            found.append(number)
    return found


def test_only_https_is_used() -> None:
    found = {}
    for path in ROOT.rglob("*"):
        place = path.relative_to(ROOT)
        if place.parts[0].startswith(".") or _NOT_CHECKED & set(place.parts) or path.suffix in (".svg", ".pyc"):
            continue
        if not path.is_file():
            continue
        try:
            if lines := plain_http(path):
                found[str(path.relative_to(ROOT))] = lines
        except UnicodeDecodeError:
            continue
    assert found == {}


def test_the_rule_about_https_finds_what_it_should(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(
        'a = "http://example.com"\n# http://x\nb = "http://y"  # ignore-https-check\nc = "http://localhost"\n'
    )
    assert plain_http(path) == [1]


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def test_the_dockerfile_builds_on_the_declared_base(metadata: dict[str, Any]) -> None:
    base = metadata["connectorBuildOptions"]["baseImage"]
    assert re.fullmatch(r"docker\.io/airbyte/python-connector-base:\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", base)
    assert re.findall(r"^ARG BASE_IMAGE=(.*)$", dockerfile(), re.MULTILINE) == [base]
    assert re.findall(r"^FROM (\S+)", dockerfile(), re.MULTILINE) == ["${BASE_IMAGE}", "${BASE_IMAGE}"]


def test_the_image_is_not_for_root_and_airbyte_starts_what_docker_starts() -> None:
    (user,) = re.findall(r"^USER (\S+)$", dockerfile().rsplit("FROM ", 1)[1], re.MULTILINE)
    assert int(user) > 0
    (started,) = re.findall(r"^ENTRYPOINT (.*)$", dockerfile(), re.MULTILINE)
    assert re.findall(r'^ENV AIRBYTE_ENTRYPOINT="(.*)"$', dockerfile(), re.MULTILINE) == [
        " ".join(yaml.safe_load(started))
    ]


# --- tests ------------------------------------------------------------------------------------------------------------


def test_test_suites_are_declared_and_exist(metadata: dict[str, Any]) -> None:
    suites = {suite["suite"] for suite in metadata["connectorTestSuitesOptions"]}
    assert suites == {"unitTests", "integrationTests", "acceptanceTests"}
    for place in ("unit_tests", "integration_tests", "acceptance-test-config.yml"):
        assert (ROOT / place).exists()


# --- documentation ----------------------------------------------------------------------------------------------------


def document() -> list[tuple[str, str]]:
    """The headings of the documentation down to the fourth level, each with the text up to the next one."""
    parts: list[tuple[str, list[str]]] = []
    in_code = False
    for line in DOCUMENTATION.read_text(encoding="utf-8").splitlines():
        in_code ^= line.startswith("```")
        heading = None if in_code else re.fullmatch(r"#{1,4} (.*)", line)
        if heading:
            parts.append((re.sub(r"Step [12]: ", "", heading[1]), []))
        elif parts:
            parts[-1][1].append(line)
    return [(title, "\n".join(lines)) for title, lines in parts]


def section(title: str, index: int = 0) -> str:
    return [text for found, text in document() if found == title][index]


def misplaced(titles: list[str]) -> str | None:
    """The first heading that may not be where it is, or the first required one that is missing; None when all fit."""
    known = {title for title, _ in TEMPLATE if title}
    place = 0
    for title in titles:
        while True:
            if place == len(TEMPLATE):
                return title
            expected, required = TEMPLATE[place]
            if expected is None and title not in known:
                break
            if required and expected != title:
                return title
            place += 1
            if expected == title:
                break
    return next((title for title, required in TEMPLATE[place:] if required), None)


def test_headings_are_those_of_airbytes_template() -> None:
    assert misplaced([title for title, _ in document()]) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda titles: titles[:-1], "Changelog"),
        (lambda titles: [title for title in titles if title != "Setup guide"], f"Set up {NAME}"),
        (lambda titles: ["Prerequisites", *titles], "Prerequisites"),
        (lambda titles: [*titles, "Afterword"], "Afterword"),
        (lambda titles: [title.replace("Streams", "streams") for title in titles], None),
    ],
)
def test_the_rule_about_headings_finds_what_it_should(change: Any, expected: str | None) -> None:
    found = misplaced(change([title for title, _ in document()]))
    assert found is not None
    assert expected is None or found == expected


def test_introduction_is_airbytes() -> None:
    wanted = (
        "\n<HideInUI>\n\nThis page contains the setup guide and reference information for the "
        f"[{NAME}](LINK) source connector.\n\n</HideInUI>\n"
    )
    assert wanted in re.sub(r"https://[^\s)]+", "LINK", section(NAME))


def test_prerequisites_name_every_required_option() -> None:
    specification = connection_specification()
    text = section("Prerequisites").lower()
    for name in specification["required"]:
        assert specification["properties"][name]["title"].lower() in text
    assert any(word in text for word in ("account", "auth", "credentials", "access", "client"))


@pytest.mark.parametrize(
    ("title", "beginning"),
    [
        (
            "For Airbyte Cloud:",
            "\n1. [Log into your Airbyte Cloud](https://cloud.airbyte.com/workspaces) account.\n"
            "2. Click Sources and then click + New source.\n"
            f"3. On the Set up the source page, select {NAME} from the Source type dropdown.\n"
            f"4. Enter a name for the {NAME} connector.\n",
        ),
        ("For Airbyte Open Source:", "\n1. Navigate to the Airbyte Open Source dashboard.\n"),
        (
            "Supported sync modes",
            f"\nThe {NAME} source connector supports the following "
            "[sync modes](https://docs.airbyte.com/cloud/core-concepts/#connection-sync-modes):\n",
        ),
        ("Changelog", "\n<details>\n  <summary>Expand to review</summary>\n\n"),
    ],
)
def test_sections_begin_as_airbytes_do(title: str, beginning: str) -> None:
    assert section(title).startswith(beginning)
