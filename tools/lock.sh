#!/bin/sh
# Resolve anew. The locks name hashes and no addresses, so any index that serves the same files will do.
set -eu
uv=.venv/uv/bin/uv
compile() { "$uv" pip compile -q --universal --generate-hashes --python-version 3.11 --no-header "$@"; }
compile pyproject.toml -o requirements.lock
compile pyproject.toml --extra models --group dev -c requirements.lock -o requirements-dev.lock
compile pyproject.toml --group bench -o requirements-bench.lock
echo 'uv>=0.9' | compile - -o tools/uv.lock
