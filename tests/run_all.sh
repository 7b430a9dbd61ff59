#!/bin/sh
# Everything that CI runs, in the order of what fails fastest; `make test` calls it with the virtual environment first in PATH.
# CI_STEPS chooses some of: lint unit integration
set -eu
steps=${CI_STEPS:-lint unit integration}

for step in $steps; do
    echo "== $step"
    case $step in
    lint)
        ruff check .
        ruff format --check .
        mypy
        cython-lint fastconnect
        ;;
    unit) pytest -q -n 2 tests/code tests/unit tests/contract tests/compat tests/docs -m "not integration" ;;
    # Mostly waiting for brokers and processes, so more of them than there are cores.
    integration) pytest -q -n 4 --dist loadgroup tests/integration tests/contract tests/examples tests/docs/test_code_blocks.py ;;
    *)
        echo "no such step: $step" >&2
        exit 2
        ;;
    esac
done
