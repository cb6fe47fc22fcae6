# `make demo` trains a network on real digits; `make test` runs all the tests.
# Both set up what they need: a Python environment in .venv and a release build.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODULE := python/mlx_oxide/core.abi3.so
TOOLS := $(or $(CARGO_TARGET_DIR),target)/tools
TARGET := $(or $(CARGO_TARGET_DIR),target)

# memoryview(array), which the stable ABI has from Python 3.11 on
FEATURES := $(shell $(PYTHON) -c 'import sys; print("--no-default-features --features buffer-protocol" * (sys.version_info >= (3, 11)))')

ifeq ($(shell uname),Darwin)
  LIBRARY := $(TARGET)/release/libcore.dylib
else
  LIBRARY := $(TARGET)/release/libcore.so
endif

.PHONY: demo test test-rust test-python test-arm64 deny bench accuracy lint generate module clean

demo: $(BIN)/.demo module ## train on scikit-learn's digits; writes demo-output/
	PYTHONPATH=python $(BIN)/python examples/digits.py --out demo-output

test: test-rust test-python ## all tests

test-rust:
	cargo test --workspace --no-fail-fast

test-python: $(BIN)/.test module
	PYTHONPATH=python $(BIN)/python -m pytest -q -p no:cacheprovider python/tests

# Once on a processor without the optional instructions, once on one with all that the emulator
# knows. A Rust without a library for the target takes ARM64_FLAGS="-Zbuild-std=...".
ARM64 := aarch64-unknown-linux-gnu
ARM64_LINKER ?= aarch64-linux-gnu-gcc
ARM64_ROOT ?= /usr/aarch64-linux-gnu
ARM64_PROCESSORS ?= cortex-a53 max
ARM64_CRATES ?= mlx-oxide-cpu
ARM64_FLAGS ?=

test-arm64: ## the tests of CPU kernels on emulated 64-bit ARM processors; TESTS=... passes arguments on
	@command -v qemu-aarch64 > /dev/null || \
		{ echo "test-arm64 needs qemu-aarch64 (Debian: qemu-user)"; exit 1; }
	@command -v $(ARM64_LINKER) > /dev/null || \
		{ echo "test-arm64 needs $(ARM64_LINKER) (Debian: gcc-aarch64-linux-gnu)"; exit 1; }
	@test -d "$(ARM64_ROOT)/lib" || \
		{ echo "test-arm64 needs a C library in $(ARM64_ROOT) (Debian: libc6-dev-arm64-cross)"; exit 1; }
	@test -n "$(ARM64_FLAGS)" || test -d "$$(rustc --print target-libdir --target $(ARM64))" || \
		{ echo "test-arm64 needs Rust's library for ARM: rustup target add $(ARM64)"; exit 1; }
	failed=0; for processor in $(ARM64_PROCESSORS); do echo "== $$processor"; \
		CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$(ARM64_LINKER) \
		CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $$processor -L $(ARM64_ROOT)" \
		cargo test $(ARM64_FLAGS) --target $(ARM64) --no-fail-fast \
			$(addprefix -p ,$(ARM64_CRATES)) --lib --tests -- $(TESTS) || failed=1; \
	done; exit $$failed

lint: ## format and lints, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy -p mlx-oxide-python $(FEATURES) -- -D warnings

deny: $(TOOLS)/bin/cargo-deny ## licences, sources and bans of dependencies
	$(TOOLS)/bin/cargo-deny check licenses bans sources

$(TOOLS)/bin/cargo-deny:
	cargo install -q cargo-deny --locked --root $(TOOLS)

# examples are built together with the module, so that nothing is built twice
EXAMPLE := cargo build --release -p mlx-oxide -p mlx-oxide-python $(FEATURES:buffer-protocol=mlx-oxide-python/buffer-protocol,mlx-oxide/gpu) --example

bench: ## bytes and operations a second, and their shares of what the machine gives
	$(EXAMPLE) roofline
	$(TARGET)/release/examples/roofline

accuracy: ## docs/accuracy.md; EVERY=n goes through one in n numbers
	$(EXAMPLE) accuracy
	$(TARGET)/release/examples/accuracy $(EVERY) > docs/accuracy.md

module: ## the Python module, built in place
	cargo build --release -p mlx-oxide-python $(FEATURES)
	install -m 644 $(LIBRARY) $(MODULE)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --upgrade pip

$(BIN)/.demo: $(BIN)/python python/requirements-demo.txt
	$(BIN)/pip install -q --disable-pip-version-check -r python/requirements-demo.txt
	touch $@

$(BIN)/.test: $(BIN)/.demo python/requirements-test.txt
	$(BIN)/pip install -q --disable-pip-version-check -r python/requirements-test.txt
	touch $@

generate: $(BIN)/.test module ## what is generated from tables: docs/*.md
	cargo xtask generate
	PYTHONPATH=python $(BIN)/python python/tests/coverage_table.py
	PYTHONPATH=python $(BIN)/python python/tests/type_stubs.py

clean:
	rm -rf $(VENV) target demo-output $(MODULE)
