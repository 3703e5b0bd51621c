# make live: install what running needs, and run (ARGS="--mode rotate" passes options).
# make test-gpu: what wants an NVIDIA GPU, see docs/gpu.md.
# make test: install what testing needs, too, and run every check. Both are quick the second time.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: live test test-gpu gpu clean

live: .venv/live.stamp
	$(BIN)/python run_live.py $(ARGS)

test: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# On a machine with an NVIDIA GPU: its packages, kernels and plans, then every check that needs one.
test-gpu: gpu .venv/test.stamp
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[gpu]"
	$(BIN)/python build_engines.py
	$(BIN)/python -m pytest tests/gpu -rs $(ARGS)

# Looked for before gigabytes are installed for it.
gpu:
	@$(PYTHON) engines/nvidia.py

.venv/live.stamp: pyproject.toml
	sh setup.sh "$(PYTHON)" live
	touch $@

.venv/test.stamp: pyproject.toml .venv/live.stamp
	sh setup.sh "$(PYTHON)" test
	touch $@

clean:
	rm -rf .venv build
