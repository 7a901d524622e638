# make demo: cut out the two sample portraits.  make test: run every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A .venv of another Python than the one that is asked for is made anew.
ifneq ($(origin PYTHON),file)
ifneq ($(shell $(BIN)/python -V 2>&1),$(shell $(PYTHON) -V 2>&1))
CLEAR := --clear
.PHONY: $(VENV)/installed
endif
endif

.PHONY: demo test check clean

demo: $(VENV)/installed
	$(BIN)/python inference_bshm.py -i image-matting/1.png image-matting/2.png -d results

test: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses 3

check: $(VENV)/installed-dev $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py

$(VENV)/installed: setup.py
	$(PYTHON) -m venv $(CLEAR) $(VENV)
	$(BIN)/pip install --quiet -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install --quiet -e '.[test]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
