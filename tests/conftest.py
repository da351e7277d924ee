import os
import signal
import sys

import cv2
import pytest
from hypothesis import Phase, settings

from edgits.cli import main
from edgits.train.data import load_dataset

# A suite started in a shell's background ignores Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The commands say so before they load TensorFlow; a test may load it before any command runs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A busy machine is no bug: how long an example takes is measured elsewhere.
# Where a change is judged, the same cases each time; elsewhere new ones each time, to find more.
settings.register_profile("edgits", deadline=None, derandomize=bool(os.environ.get("CI")))
# A mutant (tests/mutation.py) must be noticed, not explained by the smallest case.
settings.register_profile(
    "mutant", settings.get_profile("edgits"), phases=[Phase.explicit, Phase.generate], max_examples=40
)
settings.load_profile("mutant" if "MUTANT_UNDER_TEST" in os.environ else "edgits")


@pytest.fixture(scope="session")
def mnist5k():
    """The 5,000 embedded digits, 500 a class; loading them takes seconds, so once."""
    return load_dataset("mnist5k")


@pytest.fixture
def digit_folder(tmp_path, mnist5k):
    """Makes a folder of PNG files, `count` a digit, dark ink on white paper."""

    def make(count, *, digits=range(10), name="digits"):
        for digit in digits:
            place = tmp_path / name / str(digit)
            place.mkdir(parents=True)
            for number, image in enumerate(mnist5k.images[mnist5k.labels == digit][:count]):
                cv2.imwrite(str(place / f"{number:03}.png"), 255 - image)
        return tmp_path / name

    return make


@pytest.fixture
def edgits(monkeypatch, capfd):
    """Runs a command line as a shell would; returns exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["edgits", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capfd.readouterr()
        return exit_.value.code or 0, out, err

    return run
