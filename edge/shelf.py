"""`edgits models`: lists the models that come with edgits. Reads their cards alone; loads no runtime."""

import json
from pathlib import Path
from typing import Any

import click

from edgits.card import ModelCard, load_card
from edgits.edge.recognizer import shipped_models

DEFAULT = "small"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and a model instead of the table.")
def models(as_json: bool) -> None:
    """Lists the models that come with edgits: names for --model, sizes, and how well they read.

    The accuracy is that of the float model which each file was made from, on images it was not trained on; what the
    conversion changed is measured by `edgits benchmark NAME…`.
    """
    # a tier's plain name stands for its int8 file
    named = {path: name for name, path in shipped_models().items()}
    rows = sorted((_row(name, path) for path, name in named.items()), key=lambda row: (row["parameters"], row["bytes"]))
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for title in ("model", "kB", "parameters", "MACs", "accuracy (95 %)"):
        table.add_column(title, justify="left" if title == "model" else "right", no_wrap=True)
    for row in rows:
        low, high = row["ci95"]
        table.add_row(
            row["model"],
            f"{row['bytes'] / 1000:.0f}",
            f"{row['parameters']:,}",
            f"{row['macs'] / 1e6:.1f} M",
            f"{row['accuracy']:.2%} ({100 * low:.2f}–{100 * high:.2f})",
        )
    Console(highlight=False).print(table)
    click.echo(
        f"Accuracy: of the float model, on {', '.join(sorted({row['data'] for row in rows}))}. Default: "
        f"{DEFAULT}.\nMore about each: MODELS.md. To choose one: edgits live --model NAME"
    )


def _row(name: str, path: Path) -> dict[str, Any]:
    card = load_card(path)
    assert isinstance(card, ModelCard), "every shipped model has its card"
    return {
        "model": name,
        "file": path.name,
        "format": card.format,
        "bytes": path.stat().st_size,
        "parameters": card.parameters,
        "macs": card.macs,
        "accuracy": card.accuracy["value"],
        "ci95": card.accuracy["ci95"],
        "n": card.accuracy["n"],
        "data": card.accuracy["data"],
    }
