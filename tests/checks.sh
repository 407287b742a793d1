#!/usr/bin/env bash
# What `make test` and CI check, the quick things first and pytest last. Needs an environment in $VENV, or an active one.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" TOKENIZERS_PARALLELISM=false MPLBACKEND=agg JUPYTER_PREFER_ENV_PATH=1
unset PYTHONDONTWRITEBYTECODE  # a study starts dozens of processes, and each would compile the package anew
[ -n "${VENV:-}" ] && export PATH="$(cd "$VENV" && pwd)/bin:$PATH"

echo "== ruff"
ruff check --output-format concise .
echo "== types"
mypy
echo "== drift: modules, outputs, markers of merges, README, results"
python tests/drift.py
echo "== nbdev_test"  # pytest runs the tutorials
nbdev_test --path nbs --n_workers 2 --do_print --skip_folder_re '^([_.]|tutorials$|experiments$)'
echo "== nbdev_test: experiments"  # those of one method share a folder, so they run one after another
nbdev_test --path nbs/experiments/closed_loop --n_workers 0 --do_print &
closed_loop=$!
nbdev_test --path nbs/experiments/croco --n_workers 0 --do_print
wait "$closed_loop"
echo "== pytest"
code=0
python -m pytest -q -n 3 --dist loadfile || code=$?  # whole files; a study waits for its steps: three for two cores
if [ "$code" = 5 ]; then echo "no test was collected"; fi
exit "$code"
