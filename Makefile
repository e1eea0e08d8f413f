# Every target does the set-up it needs; what is up to date costs nothing. All that is made lies in .work/.
# PYTHON=... chooses the interpreter of the venv, ARGS=... is handed to pytest or lint.py.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

W      := .work
STAMPS := $(W)/stamps
# What a target needs before it starts.
APT    := $(STAMPS)/apt-base
LAB    := $(STAMPS)/apt-lab
ENGINE := $(STAMPS)/apt-engines
LINK   := $(W)/collections/ansible_collections/zonal/cloud
DEV    := $(STAMPS)/venv $(LINK)

# In a checkout that was moved or copied, link and venv lead to where it was before.
ifneq ($(shell readlink $(LINK)),$(CURDIR))
$(shell rm -f $(STAMPS)/venv $(LINK))
endif

export PATH := $(CURDIR)/$(W)/venv/bin:$(PATH)
export LC_ALL := C.UTF-8
export PYTHONUNBUFFERED := 1
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/$(W)/collections
unexport PYTHONPATH

pytest = python -m pytest -o cache_dir=$(W)/pytest --junitxml=$(W)/reports/$@.xml

.PHONY: help setup demo unit lint engines lab lab-bare matrix test build dist-check format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(DEV) $(LAB) $(ENGINE) ## install the Debian packages and the Python venv that everything below needs

demo: $(DEV) $(LAB) ## boot two lab hosts, make VMs and containers on them, prove that they answer
	python tools/demo.py

unit: $(DEV) ## unit tests, seconds
	$(pytest) --numprocesses auto --dist loadfile tests/unit $(ARGS)

lint: $(DEV) ## every static check, the built tarball included; ARGS=ruff runs those that begin so
	python tools/lint.py $(ARGS)

engines: $(DEV) $(ENGINE) $(LAB) ## tests against real docker, libvirt and PostgreSQL on this machine
	$(pytest) --numprocesses 3 --dist loadfile --no-loadscope-reorder tests/integration/engines $(ARGS)

lab: export COLUMNS = 160
lab: export ZONAL_LAB_STATE = $(CURDIR)/$(W)/lab-test
lab: $(DEV) $(LAB) ## molecule: hosts boot, are bootstrapped, provisioned, cut off, mended
	@lab/zonal-lab down && lab/zonal-lab image && lab/zonal-lab up --hosts 2 --release trixie,bookworm --memory 3G
	@PYTEST_ADDOPTS="--junitxml='$(CURDIR)/$(W)/reports/lab.xml' $(ARGS)" molecule test

lab-bare: $(DEV) $(LAB) ## bootstrap hosts from a bare Debian 13 and 12; not part of 'make test'
	$(pytest) -s tests/lab_bare $(ARGS)

matrix: $(DEV) ## unit tests of what Ansible has a part in, playbook syntax and ansible-doc on every supported ansible-core and Python found here
	python tools/matrix.py

test: $(DEV) $(LAB) $(ENGINE) ## unit, then the lab, and beside it engines, lint and matrix; ends with a table
	@python tools/tiers.py unit engines,lint,matrix+lab

build: $(DEV) ## build the collection's tarball into .work/dist
	python tools/dist_check.py --build

dist-check: $(DEV) ## build the tarball, install it offline elsewhere, check its names and documentation
	python tools/dist_check.py

format: $(DEV) ## let ruff format and mend the Python files
	ruff check --fix .
	ruff format .

clean: ## take the lab down and remove .work; caches outside the tree stay
	@for state in $(W)/lab $(W)/lab-test; do [ ! -e $$state ] || ZONAL_LAB_STATE="$(CURDIR)/$$state" lab/zonal-lab down; done
	rm -rf $(W)

$(STAMPS)/apt-%: requirements/debian.txt tools/setup.sh
	@mkdir -p $(@D)
	@tools/setup.sh apt $*
	@touch $@

$(STAMPS)/venv: requirements.txt $(wildcard requirements/*.txt) tools/setup.sh | $(APT)
	@mkdir -p $(@D)
	@tools/setup.sh venv $(W)/venv
	@touch $@

# Ansible finds a collection only below ansible_collections/<namespace>/<name>.
$(LINK):
	@mkdir -p $(@D)
	@ln -sfn "$(CURDIR)" $@
