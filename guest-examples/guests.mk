# Guests: the examples and the fixtures of the tests, each built as a user builds it. Included by the Makefile.
#
# Cargo decides what is out of date; a component is copied only when its bytes changed, so that what
# depends on it is not built again for nothing.

GUESTS_RUST := hello:greet servicenow-to-github:sync
FIXTURES_RUST := probe fetcher
# Beside the host's own target folder when one is named, else each project's own.
GUEST_TARGET = $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR)/guests,)

.PHONY: guests
guests: ## Build the example integrations and the tests' fixtures
	@set -e; \
	build() { \
	  target="$(GUEST_TARGET)"; [ -n "$$target" ] || target="$$1/target"; \
	  CARGO_TARGET_DIR="$$target" cargo build --quiet --locked --release --target wasm32-wasip2 --manifest-path "$$1/Cargo.toml"; \
	  mkdir -p "$$1/dist"; \
	  cmp -s "$$target/wasm32-wasip2/release/$$2.wasm" "$$1/dist/$$3.wasm" || cp "$$target/wasm32-wasip2/release/$$2.wasm" "$$1/dist/$$3.wasm"; \
	  printf '  %-52s %7s bytes\n' "$$1/dist/$$3.wasm" "$$(wc -c < "$$1/dist/$$3.wasm")"; \
	}; \
	for guest in $(GUESTS_RUST); do \
	  name=$${guest%%:*}; build "guest-examples/$$name/rust" "$$(echo $$name | tr - _)" "$${guest##*:}"; \
	done; \
	for name in $(FIXTURES_RUST); do build "tests/guests/$$name" "$$name" "$$name"; done
