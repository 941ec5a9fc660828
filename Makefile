# make help lists the targets. PYTHON names the interpreter that makes .venv (3.11 to 3.13).
PYTHON ?= python3
RUN := .venv/bin/python
SITE := .venv/.installed
UV_LOCK := $(RUN) -m uv pip compile --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --group dev pyproject.toml -o requirements.lock

# Two processes: tests and notebooks spend their time in single threads.
JOBS ?= 2
PYTEST := $(RUN) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
MACHINES := ONEDNN_MAX_CPU_ISA=SSE41 ONEDNN_MAX_CPU_ISA=AVX2 \
	TF_ENABLE_ONEDNN_OPTS=0 TF_NUM_INTRAOP_THREADS=2
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout 900

export TF_CPP_MIN_LOG_LEVEL := 3

.DEFAULT_GOAL := help
.PHONY: book pdf test test-slow test-portable lint lock refresh bench browser clean help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# The only rule that installs; the stamp is younger than what it was made from, or it runs again.
$(SITE): requirements.lock pyproject.toml bootstrap.py
	@$(PYTHON) bootstrap.py
	@touch $@

book: $(SITE)  ## execute every chapter and render the book into _build/html
	$(RUN) -m helpers.batch.cli build

test: $(SITE)  ## unit tests, doctests, structure, notebook rules, and nbval over the chapters
	$(PYTEST) $(NBVAL) -m "not slow" --doctest-modules bootstrap.py helpers tests book

test-slow: $(SITE)  ## the tests marked slow: clusters, killed processes, edges, each part of Keras
	$(PYTEST) -m slow tests

test-portable: $(SITE)  ## nbval as on four other machines
	@status=0; for machine in $(MACHINES); do \
		echo "nbval with $$machine"; env $$machine $(PYTEST) $(NBVAL) book || status=1; \
	done; exit $$status

pdf: book  ## print the built book into _build/dnnbook.pdf, with Debian's Chromium
	$(RUN) -m helpers.batch.site.pdf

browser: $(SITE)  ## open every page of the built site in headless Chromium
	$(RUN) -m pytest tests/browser

lint: $(SITE)  ## ruff's checks and format
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

lock: $(SITE)  ## pin the dependencies of pyproject.toml (make lock ARGS=--upgrade for newer ones)
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV_LOCK) --quiet $(ARGS)

refresh: $(SITE)  ## execute the notebooks in place (CHAPTERS="gradients" for some of them)
	$(RUN) -m helpers.batch.commit.refresh $(CHAPTERS)

bench: $(SITE)  ## measure what benchmarks/README.md states
	@for script in benchmarks/bench_*.py; do $(RUN) $$script || exit 1; done

clean:  ## remove what book, test and lint make; .venv stays
	rm -rf _build .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
