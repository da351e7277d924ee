# `make demo` and `make test` set up everything themselves; they need Python 3.11, git and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-pi lint lock clean

demo: $(READY)  ## trains, exports, benchmarks and runs on the built-in camera scene
	$(BIN)/edgits demo

test: $(READY)  ## the whole suite
	$(BIN)/pytest -q

test-pi: $(READY)  ## edgits on emulated Raspberry Pis, as root; SYSTEMS=trixie-arm64 chooses, RECORD=1 records logits and instructions
	$(BIN)/python tests/pi $(if $(RECORD),--record) $(SYSTEMS)

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

# opencv-python (extra `window`) can't be installed beside the headless one, so it isn't locked.
lock:  ## pins the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile pyproject.toml --extra train --extra onnx --extra int4 --extra micro --extra web --extra mqtt \
	  --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --upgrade -q -o requirements.lock

clean:  ## removes what demo, tests and set-up made
	rm -rf $(VENV) demo .mypy_cache .pytest_cache .ruff_cache .hypothesis edgits.egg-info build dist
