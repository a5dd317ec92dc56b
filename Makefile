# make demo    draw a ticket on classification, transfer it to segmentation, print the table
# make test    the test suite
# make lint    ruff
# make types   mypy
# make docs    docs, README and the reference from docstrings -> build/site, which opens without a network
# make results are published records and claims sound, and do the committed tables follow from them?
# make table   results/records -> results/tables (Markdown, CSV, LaTeX, SVG) and the tables of claims in docs/
# make fuzz    damaged files for every reader of a stranger's files, MINUTES=10 each (tests/fuzz)
# make endurance  processes killed at random moments (tests/endurance)
# make newer   the tests with the newest versions of everything, in a .venv-newer of their own (docs/dependencies.md)
# Each sets up .venv by itself, with the Python that PYTHON names, and reuses it until pyproject.toml or
# constraints.txt changes.

PYTHON ?= python3
VENV := .venv
MINUTES ?= 10
READERS ?= ticket record suite scale coco joints images
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := demo
.PHONY: demo test lint types docs results table fuzz endurance newer

demo: $(INSTALLED)
	$(BIN)/python -m bench.run --source cls --target seg

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(INSTALLED_DEV)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(INSTALLED_DEV)
	$(BIN)/python -m mypy

docs: $(INSTALLED_DEV)
	$(BIN)/python docs/build.py

results: $(INSTALLED)
	$(BIN)/python -m bench.check results
	$(BIN)/python -m bench.table --check
	$(BIN)/python -m bench.check claims
	$(BIN)/python -m bench.claims --check

table: $(INSTALLED)
	$(BIN)/python -m bench.table results/records --out results/tables
	$(BIN)/python -m bench.claims --write

fuzz: $(INSTALLED)
	for reader in $(READERS); do PYTHONPATH=.:tests $(BIN)/python -W ignore tests/fuzz $$reader $(MINUTES) || exit 1; done

endurance: $(INSTALLED)
	$(BIN)/python -m pytest -m slow -s tests/endurance

newer:
	rm -rf .venv-newer
	"$(PYTHON)" -m venv .venv-newer
	.venv-newer/bin/python -m pip install --disable-pip-version-check --upgrade --upgrade-strategy eager -e ".[test]"
	.venv-newer/bin/python -m pip freeze --exclude-editable
	.venv-newer/bin/python -m pytest -n auto --dist loadfile

$(INSTALLED): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "error: there is no '$(PYTHON)' here; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11." >&2; \
		exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: ticketbench needs Python 3.11 or newer and '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1); name another: make PYTHON=/path/to/python3.11." >&2; \
		exit 2; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@
