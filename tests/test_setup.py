"""The lock file, `pyproject.toml`, `environment.yml` and what is installed say the same."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import bootstrap

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
LOCKED = [Requirement(line) for line in LOCK.splitlines() if line and line.strip()[0] != "#"]
DECLARED = [
    Requirement(text)
    for text in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
]


def test_the_lock_pins_everything_and_names_no_address():
    assert len(LOCKED) > 100
    for requirement in LOCKED:
        assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), requirement
        assert requirement.url is None
    assert not re.search(r"https?:|file:|^\s*-", LOCK, flags=re.MULTILINE)


@pytest.mark.parametrize("requirement", DECLARED, ids=str)
def test_the_lock_holds_what_the_project_declares(requirement):
    pins = [pin for pin in LOCKED if pin.name == requirement.name.lower()]
    assert pins
    for pin in pins:
        version = str(pin.specifier).removeprefix("==")
        assert requirement.specifier.contains(version), pin


def test_conda_installs_the_same_lock_on_a_python_of_the_project():
    *packages, pip = CONDA["dependencies"]
    assert pip == {"pip": ["--requirement requirements.lock", "--editable ."]}
    assert packages == ["python=3.11", "pip"]
    allowed = SpecifierSet(PROJECT["project"]["requires-python"])
    assert all(allowed.contains(version) for version in ("3.11.0", "3.12.0", "3.13.9"))
    assert not any(allowed.contains(version) for version in ("3.10.9", "3.14.0"))
    assert bootstrap.OLDEST == (3, 11)
    assert bootstrap.NEWEST == (3, 13)
    assert CONDA["name"] == PROJECT["project"]["name"]


def test_what_is_installed_is_what_the_lock_pins():
    wrong = {}
    for pin in LOCKED:
        if pin.marker is None or pin.marker.evaluate():
            version = importlib.metadata.version(pin.name)
            if not pin.specifier.contains(version):
                wrong[str(pin)] = version
    assert wrong == {}


@pytest.mark.parametrize(
    ("listing", "variables"),
    [
        ("", {}),
        ("global.timeout='60'\n:env:.timeout='90'", {"UV_HTTP_TIMEOUT": "90"}),
        (
            "global.extra-index-url='/a\\n/b'",
            {"UV_INDEX": "/a /b", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ("freeze.timeout='10'\nglobal.quiet='1'", {}),
    ],
)
def test_uv_is_told_what_pip_is_configured_to(listing, variables):
    assert bootstrap.uv_variables(listing) == variables


def test_a_python_that_is_too_new_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert bootstrap.main() == 2
    assert "must be of version 3.11 to 3.13. Received: 3.14" in capsys.readouterr().err


def test_a_lock_without_uv_is_refused():
    with pytest.raises(ValueError, match="must pin uv"):
        bootstrap.pinned("uv", "click==8\n")


def test_make_names_its_targets():
    # Below `make test` a make would announce the folder that it enters.
    command = ["make", "--no-print-directory", "help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    wanted = "help book pdf test test-slow test-portable browser lint lock refresh bench clean"
    assert sorted(names) == sorted(wanted.split())


def test_every_package_is_installed():
    found = {path.parent.relative_to(ROOT) for path in (ROOT / "helpers").rglob("__init__.py")}
    declared = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(".".join(path.parts) for path in found) == sorted(declared)


def test_every_template_and_script_is_installed():
    wanted = PROJECT["tool"]["setuptools"]["package-data"]
    for path in (ROOT / "helpers").rglob("*"):
        place = path.relative_to(ROOT)
        is_hidden = any(part.startswith(".") or part == "__pycache__" for part in place.parts)
        if path.is_file() and path.suffix != ".py" and not is_hidden:
            patterns = wanted.get(".".join(place.parent.parts), [])
            assert any(path.match(pattern) for pattern in patterns), place
