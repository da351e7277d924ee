"""The commands in the documentation: every one exists with its options, and those in a block marked `run` run."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from edgits.cli import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "MODELS.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SHELL = {"|", ">", ">>", "<", "&&", ";", "&", "2>"}


def blocks(page, *, marked=None):
    return [text for info, text in _BLOCK.findall(page.read_text()) if marked is None or marked in info.split()]


def commands(texts):
    """Returns the arguments of every edgits command in some text."""
    found = []
    for line in "\n".join(texts).replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # no shell
            continue
        while words and re.fullmatch(r"[A-Z_]+=\S*|sudo|exec|ExecStart=", words[0]):
            words.pop(0)
        if words and Path(words[0]).name == "edgits":
            end = next((i for i, word in enumerate(words) if word in _SHELL), len(words))
            found.append(words[1:end])
    return found


def inline(page):
    return re.findall(r"`(edgits [^`]+)`", _BLOCK.sub("", page.read_text()))


EVERY = sorted(
    {(page.name, tuple(words)) for page in PAGES for words in commands([*blocks(page), *inline(page)]) if words}
)


@pytest.mark.parametrize(
    ("page", "words"), EVERY, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_every_command_exists_with_its_options(page, words):
    name, *rest = words
    if name.startswith("-") or name == "COMMAND":
        return
    assert name in COMMANDS, f"{page} names a command that isn't there"
    command = cli.get_command(click.Context(cli), name)
    rest = [word for word in rest if word not in ("…", "...", "--json…")]
    values, _, _ = command.make_parser(click.Context(command)).parse_args(rest)
    for parameter in command.params:
        value = values.get(parameter.name)
        if isinstance(parameter.type, click.Choice | click.types.IntParamType) and isinstance(value, str):
            parameter.type.convert(value, parameter, None)


def test_there_are_commands_to_check():
    assert len(EVERY) > 40


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, marked="run")], ids=lambda page: page.name)
def test_what_is_marked_runs(page, tmp_path):
    shutil.copy(ROOT / "docs/scene.jpg", tmp_path / "photo.jpg")
    path = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    for text in blocks(page, marked="run"):
        done = subprocess.run(
            ["bash", "-euc", text],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", _BLOCK.sub("", page.read_text()))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_make_target_that_a_page_names_is_there():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set()
    for page in PAGES:
        named.update(re.findall(r"`make ([a-z][\w-]*)", page.read_text()))
        named.update(re.findall(r"^make ([a-z][\w-]*)", "\n".join(blocks(page)), re.MULTILINE))
    assert len(named) > 8
    assert named - targets == set()
