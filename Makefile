# Everything runs in .venv, which tools/env.py makes; `make` alone says what there is.

PYTHON ?= python3
VENV := .venv/bin
RUN := $(VENV)/python
SOURCES := $(wildcard mmer_ros tools training test examples launch setup.py)

# A ROS sourced in the shell is for another Python; the wheels of .venv bring their own.
ifdef AMENT_PREFIX_PATH
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH
endif
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

.PHONY: help env demo docs test test-core bench bench-replay soak lint sample lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

env:  ## make or bring up to date the environment in .venv
	@$(PYTHON) tools/env.py

demo: env  ## run the whole system on a recording (RECORDING=file, or the sample)
	@$(RUN) -m tools.demo $(if $(RECORDING),--recording $(RECORDING))

docs: env  ## build the documentation site in out/docs; broken links are errors
	@$(RUN) -m sphinx -W --keep-going -n -q -b html docs out/docs

test: env lint  ## lint, then every test
	$(RUN) -m pytest --timeout=600

test-core: env  ## the tests without training, ROS and slow cases, in WORKERS=2 processes
	$(RUN) -m pytest --timeout=600 --numprocesses=$(or $(WORKERS),2) --dist=loadfile \
	    --ignore=test/training --ignore=test/nodes \
	    -m 'not slow and not ros and not launch and not gpu and not network'

bench: env  ## measure speed and latency on this computer
	@$(RUN) -m tools.bench

bench-replay: env  ## measure the replay of recordings (MINUTES=10)
	@$(RUN) -m tools.bench_replay --minutes $(or $(MINUTES),10)

soak: env  ## let the node work through MINUTES=30 of a stream; watch its memory and its times
	@$(RUN) -m tools.soak --minutes $(or $(MINUTES),30)

lint: env  ## ruff, flake8 and pydocstyle by ament's rules, import contracts, house rules, mypy
	$(VENV)/ruff check .
	$(VENV)/flake8 $(SOURCES)
	$(VENV)/pydocstyle $(SOURCES)
	$(VENV)/lint-imports --no-logo
	$(RUN) -m tools.lint
	$(RUN) -m tools.license_headers
	$(VENV)/mypy mmer_ros training

sample: env  ## make the sample recording anew
	@$(RUN) -m tools.make_sample

lock:  ## fix the versions of requirements.in in requirements.lock and requirements-3.12.lock
	-@$(PYTHON) tools/env.py  # a lock that cannot be installed is no obstacle: uv comes before it
	$(call compile,3.11,requirements.lock)
	$(call compile,3.12,requirements-3.12.lock)

# $(call compile,PYTHON,FILE): all or nothing, so that a failure leaves the old lock in place
define compile
	@printf '# requirements.in with every version fixed, for CPython $(1) on Linux x86_64.\n# Made by `make lock`; do not edit.\n' > $(2).new
	$(VENV)/uv pip compile --quiet --upgrade --generate-hashes --no-annotate --no-header \
	    --no-emit-index-url --no-emit-find-links --python-version $(1) \
	    --python-platform x86_64-unknown-linux-gnu requirements.in >> $(2).new
	@mv $(2).new $(2)
endef

clean:  ## remove what was built and cached, .venv too
	rm -rf .venv build install log out *.egg-info
	rm -rf .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
