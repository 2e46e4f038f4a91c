#!/usr/bin/env bash
# Runs every check and test: Rust, then Python. Builds the extension and its environment by itself.
set -euo pipefail
cd "$(dirname "$0")"

cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- -D warnings
# The GPU is a feature, which builds without one; its passes are tested on this machine with or without it.
cargo clippy -p statewise-deep --features cuda --all-targets --quiet -- -D warnings
cargo test --workspace --quiet
cargo test --workspace --doc --quiet

python=${PYTHON:-python3}
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --upgrade pip
.venv/bin/python -m pip install --quiet --requirement python/requirements-test.txt
.venv/bin/python -m pip install --quiet --force-reinstall --no-deps .
.venv/bin/python -m pytest -q python/tests
