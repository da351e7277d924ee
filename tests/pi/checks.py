"""What the commands of edgits must answer on a Pi, beside what they answer on this PC. Runs none of them."""

import json

_ALIKE = 0.85  # of the frames of a video must read alike: architectures decode it slightly differently

EDGITS = {
    "doctor": "doctor --json",
    "predict": "predict page.png --json",
    "live": "live --source scene.mp4 --headless --jsonl - --record read.mp4",
    "benchmark": "benchmark small nano --data digits.npz --repeat 20 --json",
}


def doctor(found: str, _: str) -> str:
    """It finds all in order, and knows the board."""
    answer = json.loads(found)
    findings = {finding["name"]: finding for finding in answer["findings"]}
    assert answer["can_run"], found
    bad = [finding for finding in answer["findings"] if finding["state"] == "bad"]
    assert not bad, f"finds something wrong: {bad}"
    board = findings["board"]["found"]
    assert "Raspberry Pi 4" in board, f"takes the board for {board}"
    runtimes = [finding for finding in answer["findings"] if finding["topic"] == "runtimes"]
    return "; ".join([board, *(f"{finding['name']} {finding['found']}" for finding in runtimes)])


def predict(found: str, expected: str) -> str:
    """A photo reads as on the PC."""
    text, wanted = (json.loads(answer)["text"] for answer in (found, expected))
    assert text == wanted, f"reads {text!r}, the PC {wanted!r}"
    return f"reads {' | '.join(text.split())}"


def live(found: str, expected: str) -> str:
    """A video reads as on the PC, but for few frames."""
    texts, wanted = ([json.loads(line)["text"] for line in answer.splitlines()] for answer in (found, expected))
    assert len(texts) == len(wanted), f"{len(texts)} frames, {len(wanted)} on the PC"
    same = sum(text == want for text, want in zip(texts, wanted, strict=True))
    assert same >= _ALIKE * len(wanted), f"only {same} of {len(wanted)} frames read as on the PC"
    return f"{same} of {len(wanted)} frames read as on the PC"


def benchmark(found: str, expected: str) -> str:
    """The models are as accurate as on the PC, but for an image."""
    rows, wanted = ({row["model"]: row for row in json.loads(answer)["rows"]} for answer in (found, expected))
    assert rows.keys() == wanted.keys(), f"rows {', '.join(rows)}, on the PC {', '.join(wanted)}"
    for model, row in rows.items():
        off = abs(row["accuracy"] - wanted[model]["accuracy"]) * row["n"]
        assert off < 1.5, f"{model} has accuracy {row['accuracy']}, on the PC {wanted[model]['accuracy']}"
    return ", ".join(f"{model} {row['accuracy']:.1%} of {row['n']}" for model, row in rows.items())
