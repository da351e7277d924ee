"""Writes docs/licences.md: every package that requirements.lock pins, and its licence as the installed package says."""

import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]


def licence(name: str) -> tuple[str, str]:
    """Returns version and licence of an installed package; dashes where it isn't installed here."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "–", "not installed on this platform"
    told = about.get("License-Expression") or ""
    classes = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or [] if line.startswith("License :: ")]
    text = (about.get("License") or "").strip().splitlines()
    return about["Version"], told or ", ".join(classes) or (text[0][:60] if text else _file(name) or "not stated")


def _file(name: str) -> str:
    """Returns the line that names the licence in the package's licence file, or in its first source file."""
    files = metadata.files(name) or []
    texts = [path for path in files if path.stem in ("LICENSE", "LICENCE", "COPYING")]
    texts += [path for path in files if path.name == "__init__.py"][:1]
    lines = texts[0].read_text().splitlines() if texts else []
    return next((line.strip("#; ")[:80] for line in lines if "Licen" in line), "")


def main() -> None:
    """Writes the page."""
    names = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    rows = [(name, *licence(name)) for name in sorted(set(names), key=str.lower)]
    lines = [
        "# Licences of what edgits is built on",
        "",
        "Every package in `requirements.lock`, with the licence that the package itself states; written by",
        "`make licences`. A Pi installs a few of them: those of the base install in `pyproject.toml`.",
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *(f"| {name} | {version} | {text.replace('|', '/')} |" for name, version, text in rows),
        "",
    ]
    (ROOT / "docs/licences.md").write_text("\n".join(lines))
    unknown = [name for name, _, text in rows if text in ("not stated", "UNKNOWN")]
    sys.stdout.write(f"{len(rows)} packages; licence not stated: {', '.join(unknown) or 'none'}\n")


if __name__ == "__main__":
    main()
