import re
import subprocess
import sys

import click
import pytest

from edgits import __version__, cli, errors
from edgits.errors import GateError, MissingExtraError, require


def test_version(edgits):
    code, out, _ = edgits("--version")
    assert (code, out.strip()) == (0, f"edgits, version {__version__}")


def test_python_m_is_the_same_program():
    result = subprocess.run([sys.executable, "-m", "edgits", "--version"], capture_output=True, text=True, timeout=30)
    assert result.stdout.strip() == f"edgits, version {__version__}"


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_names_every_command_in_order(edgits, arguments):
    _, out, err = edgits(*arguments)
    assert re.findall(r"^  (\w+)  ", out + err, re.MULTILINE) == list(cli.COMMANDS)


@pytest.mark.parametrize("arguments", [("magic",), ("train", "--magic"), ("evaluate", "model")])
def test_wrong_usage_is_2_and_shows_how_to_get_help(edgits, arguments):
    code, out, err = edgits(*arguments)
    assert (code, out) == (2, "")
    assert "--help" in err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (errors.DataError("no digits"), 2, "edgits: no digits\n"),
        (errors.CheckError("differs"), 2, "edgits: differs\n"),
        (GateError("lost 3"), 1, "edgits: gate failed: lost 3\n"),
        (click.UsageError("not so"), 2, "Error: not so\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(edgits, monkeypatch, error, code, says):
    @click.command()
    def failing():
        raise error

    monkeypatch.setattr(type(cli.cli), "get_command", lambda self, ctx, name: failing)
    found, out, err = edgits("train")
    assert (found, out) == (code, "")
    assert err.endswith(says)
    assert "Traceback" not in err


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m edgits --help | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30)
    assert (result.stdout.strip(), result.stderr) == ("0", "")


@pytest.mark.parametrize(
    "kind", [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
)
def test_every_error_is_one_of_ours_and_a_builtin(kind):
    assert issubclass(kind, errors.EdgitsError)
    if kind is not errors.EdgitsError:
        builtin = [base for base in kind.__mro__ if base.__module__ == "builtins"]
        assert builtin[0] is not Exception


def test_require_gives_the_module_or_names_the_extra():
    assert require("json", extra="train").dumps([1]) == "[1]"
    with pytest.raises(MissingExtraError, match=r"'no_such_package'.*pip install 'edgits\[train\]'"):
        require("no_such_package.part", extra="train")


def test_require_names_what_is_missing_behind_a_package(tmp_path, monkeypatch):
    """Keras is there, say, but no backend of it."""
    (tmp_path / "half_installed.py").write_text("import missing_dependency_of_it")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match="'missing_dependency_of_it'"):
        require("half_installed", extra="train")
