# Two commands: `make demo` and `make test`. Each creates .venv if it is not there; only Python 3.10+ and make are needed.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
NVC = $(BIN)/nvc
# Without CUDA, 2 GB less: make demo TORCH='torch --index-url https://download.pytorch.org/whl/cpu'
TORCH ?= torch
STAMP = $(VENV)/.installed
SAMPLE = samples/bunny_320x180_25.mkv

export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint docs fuzz same-bytes samples clean

demo: $(STAMP)
	@mkdir -p demo
	$(NVC) encode $(SAMPLE) -o demo/bunny.nvc --bpp 0.25 --preset draft --max-time 3m -y
	$(NVC) info demo/bunny.nvc
	$(NVC) decode demo/bunny.nvc -o demo/bunny.mkv --check -y
	$(NVC) eval $(SAMPLE) demo/bunny.nvc
	$(BIN)/python tools/side_by_side.py $(SAMPLE) demo/bunny.mkv --frame 24 -o demo/side_by_side.png

test: $(STAMP)
	$(BIN)/python -m pytest -n auto

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation as a static site in site/: open site/index.html
docs: $(STAMP)
	$(BIN)/python -c 'import mkdocs, mkdocstrings_handlers.python' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

# Hostile inputs for a minute, guided by coverage where Atheris is to be had: docs/reliability.md
FUZZ ?= --seconds 60

fuzz: $(STAMP)
	$(BIN)/python -c 'import atheris' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]' || true
	$(BIN)/python -m fuzz.run $(FUZZ)

# What earlier commits wrote, on this machine: for changes that must not change a byte (tools/same_bytes.py)
SAME_BYTES ?= $(HOME)/.cache/nvc-same-bytes

same-bytes: $(STAMP)
	$(BIN)/python tools/same_bytes.py $(SAME_BYTES)

samples: $(STAMP)
	sh samples/make.sh

clean:
	rm -rf $(VENV) demo site

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "nvc needs Python 3.10 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)
