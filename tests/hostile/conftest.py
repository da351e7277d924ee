"""Counts the generated cases; EDGITS_FUZZ multiplies them: `make fuzz`."""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("EDGITS_FUZZ", "1"))
_COUNTS = pytest.StashKey[Counter]()


def pytest_configure(config):
    config.stash[_COUNTS] = Counter()


@pytest.fixture
def tried(request):
    """Counts a case of a kind: `tried("png")`."""
    counts = request.config.stash[_COUNTS]

    def count(kind):
        counts[kind] += 1

    return count


@pytest.fixture
def cases():
    """Settings for so many generated cases, times the factor."""

    def make(count):
        return settings(
            max_examples=count * FACTOR,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        )

    return make


@pytest.fixture
def step():
    """Width of the steps through what can be tried one by one, divided by the factor."""
    return lambda width: max(1, width // FACTOR)


def pytest_terminal_summary(terminalreporter, config):
    if counts := config.stash[_COUNTS]:
        terminalreporter.section("hostile cases tried")
        for kind, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:8,}  {kind}")
        terminalreporter.write_line(f"{counts.total():8,}  in all: each ended as it should, or in one clear error")
