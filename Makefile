# `make demo` and `make test` set up everything themselves; they need Python 3.11, git and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-pi coverage mutation fuzz guided torture soak licences lint lock clean

demo: $(READY)  ## trains, exports, benchmarks and runs on the built-in camera scene
	$(BIN)/edgits demo

test: $(READY)  ## the whole suite
	$(BIN)/pytest -q

test-pi: $(READY)  ## edgits on emulated Raspberry Pis, as root; SYSTEMS=trixie-arm64 chooses, RECORD=1 records logits and instructions
	$(BIN)/python tests/pi $(if $(RECORD),--record) $(SYSTEMS)

coverage: $(READY)  ## lines and branches of the package that the suite reaches
	$(BIN)/pytest -q --cov --cov-report=term:skip-covered --cov-report=html

mutation: $(READY)  ## small faults in the arithmetic that readings hang on, and how many the tests notice; ONLY='edgits.stats.*'
	$(BIN)/python tests/mutation.py $(if $(ONLY),'$(ONLY)')

fuzz: $(READY)  ## hostile input; FACTOR times as many generated cases as in the suite
	EDGITS_FUZZ=$(or $(FACTOR),20) $(BIN)/pytest -q tests/hostile

guided: $(READY)  ## bytes for our parsers, led by the lines that they reach; SECONDS for each kind of file, 60 by default
	$(BIN)/python tests/hostile/guided.py --seconds $(or $(SECONDS),60)

torture: $(READY)  ## kill -9 at 200 random moments; KILLS=12 for a few, RUN=runs/first for its export, too
	$(BIN)/python tests/hostile/torture.py --kills $(or $(KILLS),200) $(if $(RUN),--export $(abspath $(RUN)))

soak: $(READY)  ## an hour of the live loop with everything on and a failing camera; SECONDS=60 for a short one
	$(BIN)/python tests/hostile/soak.py --seconds $(or $(SECONDS),3600)

licences: $(READY)  ## writes docs/licences.md
	$(BIN)/python .ci/licences.py

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The stamp stands for a finished set-up, so that it is done once and again after the lock has changed.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# Extras stay in the lock: without them pip takes `coverage[toml]` for a package that isn't pinned, once there is a newer one.
# opencv-python (extra `window`) can't be installed beside the headless one, so it isn't locked. Names keep their extras: of a
# bare `coverage` pip takes `coverage[toml]` for something not pinned as soon as there is a newer version.
lock:  ## pins the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile pyproject.toml --extra train --extra onnx --extra int4 --extra micro --extra web --extra mqtt \
	  --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-strip-extras --no-emit-index-url --custom-compile-command "make lock" --upgrade -q -o requirements.lock

clean:  ## removes what demo, tests and set-up made
	rm -rf $(VENV) demo .mypy_cache .pytest_cache .ruff_cache .hypothesis edgits.egg-info build dist
