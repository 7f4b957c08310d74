"""dev.py: poetry.lock as requirements for pip, and what guards it."""

import sys

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

import dev

SHA = "sha256:" + "0" * 64


def package(name="thing", version="1.0", groups=("main",), **more):
    files = [{"file": f"{name}-{version}.tar.gz", "hash": SHA}]
    return {"name": name, "version": version, "optional": False, "groups": list(groups), "files": files, **more}


def lock(*packages, version="2.1"):
    return {"package": list(packages), "metadata": {"lock-version": version}}


def test_a_package_is_pinned_with_all_its_hashes_each_once():
    files = [{"file": "a", "hash": "sha256:bb"}, {"file": "b", "hash": "sha256:aa"}, {"file": "c", "hash": "sha256:bb"}]
    assert dev.requirements(lock(package(files=files))) == ["thing==1.0 --hash=sha256:aa --hash=sha256:bb"]


def test_a_marker_stands_between_the_version_and_the_hashes():
    marked = package(markers='python_version == "3.10"')
    assert dev.requirements(lock(marked)) == [f'thing==1.0 ; python_version == "3.10" --hash={SHA}']


def test_two_versions_for_different_pythons_both_stand_and_exclude_each_other():
    old = package(version="1.0", markers='python_version == "3.10"')
    new = package(version="2.0", markers='python_version >= "3.11"')
    lines = dev.requirements(lock(old, new))
    for python, wanted in (("3.10", "==1.0"), ("3.11", "==2.0"), ("3.13", "==2.0")):
        chosen = [req for req in parsed(lines) if req.marker and req.marker.evaluate({"python_version": python})]
        assert [str(req.specifier) for req in chosen] == [wanted]


def test_only_the_groups_that_are_asked_for_are_taken():
    packages = [package("a", groups=["main"]), package("b", groups=["dev"]), package("c", groups=["main", "dev"])]
    packages += [package("d", groups=["docs"])]
    assert names(dev.requirements(lock(*packages))) == ["a", "b", "c"]
    assert names(dev.requirements(lock(*packages), ["main"])) == ["a", "c"]


def test_what_only_an_extra_needs_is_left_out():
    extra = {**package("extra"), "optional": True}
    assert names(dev.requirements(lock(extra, package("thing")))) == ["thing"]


def test_markers_per_group_hold_for_the_groups_that_are_asked_for():
    markers = {"main": 'platform_system == "Windows"', "dev": 'sys_platform == "win32"'}
    assert dev.marker_for(markers, ["main"]) == 'platform_system == "Windows"'
    both = Marker(dev.marker_for(markers, ["main", "dev"]))
    assert both.evaluate({"platform_system": "Windows", "sys_platform": "cygwin"})
    assert both.evaluate({"platform_system": "CYGWIN_NT", "sys_platform": "win32"})
    assert not both.evaluate({"platform_system": "Linux", "sys_platform": "linux"})


def test_a_group_without_a_marker_needs_the_package_always():
    assert dev.marker_for({"dev": 'python_version == "3.10"'}, ["main", "dev"]) == ""
    assert dev.marker_for({"dev": 'python_version == "3.10"'}, ["dev"]) == 'python_version == "3.10"'


def test_equal_markers_of_two_groups_are_said_once():
    condition = 'python_version == "3.10" or sys_platform == "win32"'
    assert dev.marker_for({"main": condition, "dev": condition}, ["main", "dev"]) == condition


@pytest.mark.parametrize("version", ["1.1", "2.0", "3.0"])
def test_a_lock_of_another_format_is_refused(version):
    with pytest.raises(dev.Failure, match=version):
        dev.requirements(lock(version=version))


@pytest.mark.parametrize("more", [{"source": {"type": "git", "url": "x"}}, {"files": []}])
def test_what_cannot_be_checked_by_its_hash_is_refused(more):
    with pytest.raises(dev.Failure, match=r"thing==1\.0"):
        dev.requirements(lock(package(**more)))


def test_the_lock_of_this_repository_gives_one_version_of_each_package_for_this_python():
    lines = dev.requirements(dev.read_toml(dev.LOCK))
    chosen = [req.name for req in parsed(lines) if req.marker is None or req.marker.evaluate()]
    assert len(chosen) == len(set(chosen))
    assert {"airbyte-cdk", "pytest"} <= set(chosen)


def test_the_lock_of_this_repository_belongs_to_its_project():
    project, lock_ = dev.read_toml(dev.PROJECT), dev.read_toml(dev.LOCK)
    dev.check_lock(project, lock_)
    project["tool"]["poetry"]["dependencies"]["another"] = "*"
    with pytest.raises(dev.Failure, match="poetry lock"):
        dev.check_lock(project, lock_)


def test_the_supported_pythons_are_those_of_the_project_and_the_lock():
    supported = f">=3.{dev.OLDEST[1]},<3.{dev.NEWEST[1] + 1}"
    assert dev.read_toml(dev.PROJECT)["tool"]["poetry"]["dependencies"]["python"] == supported
    assert dev.read_toml(dev.LOCK)["metadata"]["python-versions"] == supported


@pytest.mark.parametrize("version", [(3, 9, 9), (3, 14, 0)])
def test_another_python_is_told_which_ones_will_do(monkeypatch, capsys, version):
    monkeypatch.setattr(sys, "version_info", version)
    assert dev.main(["install"]) == 2
    assert "3.10 to 3.13" in capsys.readouterr().err


def test_an_unknown_verb_is_refused(capsys):
    assert dev.main(["tset"]) == 2
    assert "tset" in capsys.readouterr().err


def parsed(lines):
    return [Requirement(line.split(" --hash")[0]) for line in lines]


def names(lines):
    return [req.name for req in parsed(lines)]
