# `make demo` and `make test` need only Debian 12 with Python 3.11, git and make, as root; they set up the rest themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
JAVASCRIPT := tests/e2e/javascript
INSTALLED_JAVASCRIPT := $(JAVASCRIPT)/node_modules/.package-lock.json
PACKAGES := apiserver controllers kube nodeagent proto scheduler wherry
DEBIAN_TEST_PACKAGES := busybox-static containerd crun curl dbus-daemon docker-registry etcd-client etcd-server iproute2 nftables runc runsc skopeo umoci

.PHONY: demo test check unit e2e bench format clean debian-test-packages

demo: $(INSTALLED)
	$(BIN)/python -m wherry.demo manifests/demo

test: debian-test-packages check unit e2e

check: $(INSTALLED_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m proto.generate --check

unit: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -q --ignore=tests/e2e

e2e: $(INSTALLED_DEV) $(INSTALLED_JAVASCRIPT)
	$(BIN)/python -m pytest -q tests/e2e

# What is installed has its bytecode; a tree of sources, which the environment may forbid to keep any, is given it here.
bench: $(INSTALLED_DEV)
	$(BIN)/python -m compileall -q $(PACKAGES)
	$(BIN)/python -m bench

format: $(INSTALLED_DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(JAVASCRIPT)/node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wherry needs Python 3.11 or newer; name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "installing python3-venv"; apt-get update -qq && apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e .
	$(BIN)/python -m compileall -q $(PACKAGES)
	@touch $@

$(INSTALLED_DEV): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(INSTALLED) $@

# node and npm come as a package of the environment: Debian 12's are too old for the newest JavaScript client.
$(INSTALLED_JAVASCRIPT): $(JAVASCRIPT)/package-lock.json | $(INSTALLED_DEV)
	$(BIN)/npm ci --prefix $(JAVASCRIPT) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

debian-test-packages:
	@dpkg -s $(DEBIAN_TEST_PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(DEBIAN_TEST_PACKAGES); }
