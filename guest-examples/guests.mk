# Guests: the examples and the fixtures of the tests, each built as a user builds it, by `jackfield build`.
# Included by the Makefile.

GUESTS := $(patsubst %/jackfield.toml,%,$(wildcard guest-examples/*/*/jackfield.toml tests/guests/*/jackfield.toml))
JACKFIELD := $(TARGET)/debug/jackfield

.PHONY: guests
guests: host guest-tools ## Build the example integrations and the tests' fixtures
	@PATH="$(TARGET)/guests/venv/bin:$$PATH" CARGO_TARGET_DIR="$(TARGET)/guests" scripts/guests "$(JACKFIELD)" $(GUESTS)

.PHONY: host
host:
	@# With the tests, so that dependencies are built once, with the features that both need.
	@$(CARGO) build --quiet --workspace --bins --test it

.PHONY: guest-tools
guest-tools:
	@scripts/tools-js
	@scripts/tools-python
	@scripts/tools-go
