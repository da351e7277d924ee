"""What the models answered and what reading cost when that was last recorded, and how it compares with now."""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import numpy as np
import onboard
from rich import box
from rich.table import Table
from userland import Userland

from edgits import files

_FOLDER = Path(__file__).parent / "recorded"
_LOGITS, _INSTRUCTIONS = _FOLDER / "logits.npz", _FOLDER / "instructions.json"
_ANEW = "if that is meant: make test-pi RECORD=1"
_RISE = 0.03
_STEPS = 5  # of int8: how far kernels that round otherwise, those without XNNPACK, may drift apart
_SCRIPT = Path(onboard.__file__).name
_PYTHON = "/home/pi/edgits/bin/python"

Answers = Mapping[str, np.ndarray]


class Logits:
    """The int8 logits of the shipped models, recorded on a PC.

    Args:
        record: Whether they are recorded now.
    """

    def __init__(self, *, record: bool) -> None:
        if record:
            np.savez_compressed(_LOGITS, **onboard.all_logits())
        with np.load(_LOGITS) as recorded:
            self._recorded = dict(recorded)

    def check_pc(self) -> str:
        """On this PC the models answer as recorded, bit by bit."""
        return self._compare(onboard.all_logits(), exact=True)

    def check_pi(self, pi: Userland, board: str) -> str:
        """On a Pi they do too: bit by bit with LiteRT, else nearly so and with the same best digit.

        Without XNNPACK every fifth logit is another one, so equal ones prove that it is in use.
        """
        pi.run(f"{_PYTHON} {_SCRIPT} logits logits.npz", board=board)
        with np.load(pi.home / "logits.npz") as found:
            return self._compare(found, exact=pi.system.bits == 64)

    def _compare(self, found: Answers, *, exact: bool) -> str:
        assert found.keys() == self._recorded.keys(), (
            f"int8 models {', '.join(found)}, recorded {', '.join(self._recorded)}; {_ANEW}"
        )
        facts = []
        for name, wanted in self._recorded.items():
            off = np.abs(found[name].astype(int) - wanted)
            flips = int((found[name].argmax(axis=1) != wanted.argmax(axis=1)).sum())
            facts.append(f"{name} off by up to {off.max()} in {(off > 0).mean():.1%} of {off.size}, {flips} flips")
            assert not (exact and off.any()), f"{facts[-1]}; {_ANEW}"
            assert off.max() <= _STEPS, facts[-1]
            assert flips <= 1, facts[-1]
        return f"{len(facts)} models bit by bit as recorded" if exact else "; ".join(facts)


class Instructions:
    """How many instructions a board executes for an inference and for a frame.

    Args:
        record: Whether they are recorded now.
    """

    def __init__(self, *, record: bool) -> None:
        self._recording = record
        self._recorded: dict[str, dict[str, int]] = (
            json.loads(_INSTRUCTIONS.read_text()) if _INSTRUCTIONS.exists() else {}
        )
        self._found: dict[str, dict[str, int]] = {}

    def check(self, pi: Userland, board: str, plugin: Path) -> str:
        """Nothing costs more than it did, by more than 3 %."""
        place = f"{pi.system.name} {board}"
        said, counts = pi.count([_PYTHON, f"/home/pi/{_SCRIPT}", "count"], board=board, plugin=plugin)
        found = {task: round(fmean(counts[number])) for number, task in enumerate(json.loads(said))}
        self._found[place] = found
        if self._recording:
            self._recorded[place] = found
            files.write_json(_INSTRUCTIONS, dict(sorted(self._recorded.items())))
            return "recorded"
        recorded = self._recorded.get(place, {})
        assert found.keys() == recorded.keys(), f"counted {', '.join(found)}, recorded {', '.join(recorded)}; {_ANEW}"
        changes = {task: count / recorded[task] - 1 for task, count in found.items()}
        risen = [f"{task} {recorded[task]:,} → {found[task]:,}" for task, change in changes.items() if change > _RISE]
        assert not risen, f"{'; '.join(risen)}, a rise of more than {_RISE:.0%}; {_ANEW}"
        return f"{len(found)} counts, changed by at most {max(changes.values(), key=abs):+.2%}"

    def table(self) -> Table | None:
        """Returns what was counted, and how it has changed; None where nothing was."""
        if not self._found:
            return None
        table = Table(box=box.SIMPLE_HEAD, title="million instructions, and the change since recorded")
        table.add_column("")
        for place in self._found:
            table.add_column(place.replace(" ", "\n"), justify="right", no_wrap=True)
        for task in next(iter(self._found.values())):
            table.add_row(task, *(self._cell(place, task) for place in self._found))
        return table

    def _cell(self, place: str, task: str) -> str:
        count, recorded = self._found[place].get(task, 0), self._recorded.get(place, {}).get(task)
        return f"{count / 1e6:.2f}" + (f" [dim]{count / recorded - 1:+.1%}[/dim]" if recorded else "")
