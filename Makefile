# Every routine command. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
export CARGO_TARGET_DIR := $(TARGET)
# Where Go's own archives are unpacked, for whoever did not put it on the path.
export PATH := $(PATH):/usr/local/go/bin
# Backtraces cost the host's error paths; a test that fails shows one all the same.
export RUST_LIB_BACKTRACE := 0

include guest-examples/guests.mk

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/' | sort -u | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: run
run: ## Build, start the host on SQLite, deploy the example, fire it, show the outcome
	@scripts/run

.PHONY: test
test: tools guests ## Install what the tests need and run them (half an hour the first time)
	@scripts/test

.PHONY: test-long
test-long: tools guests ## The same, whole: 1,000 kills, 200 power cuts, 10,000 simulated hours, every cut of a journal (hours)
	JACKFIELD_LONG=1 scripts/test

.PHONY: check
check: tools guest-tools ## Format, lints, licences and sources; the SDKs' own tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	scripts/deny
	scripts/check-js
	scripts/check-python
	scripts/check-go
	scripts/packages

.PHONY: bench
bench: guests ## Measure, as ratios taken in one run
	@scripts/tools-servers
	$(CARGO) build --release -p jackfield-server -p jackfield-bench
	PATH="$(TARGET)/guests/venv/bin:$$PATH" CARGO_TARGET_DIR="$(TARGET)/guests" $(TARGET)/release/jackfield-bench --build

.PHONY: figures
figures: guests ## Measure the first example in each language, and write docs/languages.md
	$(CARGO) build --release -p jackfield-server
	@PATH="$(TARGET)/guests/venv/bin:$$PATH" JACKFIELD_BIN="$(TARGET)/release/jackfield" $(TARGET)/debug/figures

.PHONY: tools
tools:
	@scripts/tools
