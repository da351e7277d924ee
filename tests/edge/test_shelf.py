import json

from edgits.edge.recognizer import find_model
from edgits.edge.shelf import DEFAULT


def test_models_are_listed_with_what_their_cards_say(edgits):
    code, out, err = edgits("models")
    assert (code, err) == (0, "")
    code, lines, _ = edgits("models", "--json")
    assert code == 0
    rows = [json.loads(line) for line in lines.splitlines()]
    assert DEFAULT in [row["model"] for row in rows]
    for row in rows:
        assert row["model"] in out
        assert find_model(row["model"]).name == row["file"]
        low, high = row["ci95"]
        assert 0.9 < low < row["accuracy"] < high < 1
        assert row["bytes"] == find_model(row["model"]).stat().st_size
    assert max(len(line) for line in out.splitlines()) <= 80
