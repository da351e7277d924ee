"""What the house promises about itself: help, README, links for type checkers, size of modules, pins."""

import re
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from edgits.cli import COMMANDS, cli

ROOT = Path(__file__).parents[1]
STAGES = ("core", "edge", "train", "export", "benchmarks")
FILES = [path for stage in STAGES for path in sorted((ROOT / stage).rglob("*.py"))]
COMMAND = pytest.mark.parametrize("name", COMMANDS)


def command(name):
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def test_help_lists_every_command_with_its_summary(edgits):
    code, out, _ = edgits("--help")
    assert code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\w.{{10,}}", out, re.MULTILINE), f"{name} has no summary"


@COMMAND
def test_every_command_and_option_has_help(name):
    found = command(name)
    assert found.name == name
    assert found.help
    assert len(found.help) > 40
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts[0]} has no help"


@COMMAND
def test_every_argument_is_explained(name):
    found = command(name)
    for parameter in found.params:
        if isinstance(parameter, click.Argument):
            shown = (parameter.metavar or parameter.name or "").strip("[].…").lower()
            assert shown in found.help.lower(), f"{name}'s help doesn't explain {shown}"


@COMMAND
def test_every_command_has_an_example_in_the_readme(name):
    assert re.search(rf"(^|`)edgits {name}\b", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_the_readme_has_a_line_for_every_module():
    text = (ROOT / "README.md").read_text()
    assert [path.name for path in FILES if path.name != "__init__.py" and path.name not in text] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_short(path):
    assert len(path.read_text().splitlines()) <= 350  # about 300 is the aim


def test_type_checkers_find_every_core_file_and_stage():
    links = {link.name: link.resolve() for link in (ROOT / ".typecheck/edgits").iterdir()}
    wanted = {path.name: path for path in (ROOT / "core").iterdir() if path.suffix in (".py", ".typed")}
    assert links == wanted | {stage: ROOT / stage for stage in STAGES if stage != "core"}


def test_every_package_is_installed_under_one_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = project["tool"]["setuptools"]["package-dir"]
    places = [path.parent.relative_to(ROOT).parts for path in FILES if path.name == "__init__.py"]
    assert folders == {".".join(("edgits", *parts)).replace(".core", ""): "/".join(parts) for parts in places}
    assert set(project["tool"]["setuptools"]["packages"]) == set(folders)


def test_the_lock_pins_every_dependency_with_its_hash():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in extras for line in extras[extra] if extra != "window")]
    names = {re.match(r"[\w-]+", line)[0].lower() for line in wanted}
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {match[1].lower() for match in re.finditer(r"^([\w.-]+)==\S+ .*\\\n +--hash=sha256:", lock, re.MULTILINE)}
    assert names - pinned == set()


def test_the_lock_names_no_registry():
    assert re.findall(r"://|index-url|find-links", (ROOT / "requirements.lock").read_text()) == []


def test_make_knows_its_targets():
    result = subprocess.run(
        ["make", "--no-print-directory", "-n", "test"], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == ".venv/bin/pytest -q"
