# Everything a developer runs. Needs Python >= 3.11, a Rust toolchain and make; the rest is set up in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENVIRONMENT := $(VENV)/.environment
ENGINE := $(VENV)/.engine
RIVALS := $(VENV)/.rivals
# Optimised, for tests that count in millions, without what only the shipped extension is worth waiting for.
OPTIMISED := --release --config 'profile.release.lto=false' --config 'profile.release.codegen-units=16' \
    --config 'profile.release.debug-assertions=true' --config 'profile.release.overflow-checks=true'
NATIVE := Cargo.toml Cargo.lock $(shell find native -name '*.rs' -o -name 'Cargo.toml')

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-native test-loom test-python proof fuzz conformance check format bench bench-native bench-instructions bench-peers bench-page wheel wheel-pgo clean

help:  ## Lists the commands.
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(ENGINE)  ## Creates .venv with everything in it and builds the native engine into the tree.

$(ENVIRONMENT): pyproject.toml
	@echo "==> creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Headgate needs Python 3.11 or newer; set PYTHON=...")'
	@command -v cargo >/dev/null || { echo "Headgate needs a Rust toolchain: https://rustup.rs" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "==> installing the build tool"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'maturin>=1.15,<2'
	@touch $@

$(ENGINE): $(ENVIRONMENT) $(NATIVE)
	@echo "==> building the native engine (about a minute the first time) and installing what Headgate needs"
	@PIP_QUIET=1 VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --extras demo,test,dev
	@cargo build --quiet --release -p headgate-load
	@touch $@

demo: setup  ## Starts sample services with the gateway in front of them, until Ctrl-C.
	@exec $(BIN)/headgate demo

test: setup test-native test-loom test-python  ## Passes every test, each proof at a small count.

test-native:
	@echo "==> tests of the native crates"
	@cargo test --quiet -p headgate-engine -p headgate-reactor -p headgate-shm -p headgate-load $(if $(HEADGATE_PROOF),$(OPTIMISED))

# Loom explores every interleaving; only a build with optimisations does so in a moment.
test-loom:
	@echo "==> interleavings of the shared memory (loom)"
	@RUSTFLAGS="--cfg loom" cargo test --quiet -p headgate-shm --test loom $(OPTIMISED) \
	    --target-dir $${CARGO_TARGET_DIR:-target}/loom

# Most tests wait for processes that they start, so several run at once; those that kill and starve have the machine to themselves.
PYTEST_PROCESSES ?= $(if $(HEADGATE_PROOF),0,4)
test-python: setup
	@echo "==> tests of the gateway"
	@$(BIN)/python -m pytest -p no:benchmark -n $(PYTEST_PROCESSES) --ignore tests/chaos
	@$(BIN)/python -m pytest tests/chaos

proof:  ## Runs the same tests at full count; takes long.
	@HEADGATE_PROOF=1 PROPTEST_CASES=20000 $(MAKE) test

# libFuzzer on the stable toolchain, with the flags of `cargo fuzz run --sanitizer none`. What breaks a property is written to
# target/fuzz; put it into native/fuzz/corpus, where every test run replays it.
FUZZ_TARGETS := request response chunked target proxy_header pattern rewrite edits naming coding
FUZZ_SECONDS ?= 60
# Of one input: whatever takes more time than is linear in its length, such as an expression, shows as one that takes too long.
FUZZ_INPUT_SECONDS := 10
FUZZ_FLAGS := --cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

fuzz:  ## Fuzzes the engine, guided by coverage, FUZZ_SECONDS (60) for each target; needs a C++ compiler.
	@RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --quiet --release --manifest-path native/fuzz/Cargo.toml \
	    --target $(HOST) --target-dir target/fuzz
	@for target in $(FUZZ_TARGETS); do \
	    echo "==> $$target for $(FUZZ_SECONDS) s"; mkdir -p target/fuzz/found/$$target; \
	    target/fuzz/$(HOST)/release/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=$(FUZZ_INPUT_SECONDS) -max_len=4096 -print_final_stats=1 \
	        -artifact_prefix=target/fuzz/$$target- target/fuzz/found/$$target native/fuzz/corpus/$$target || exit 1; \
	done

check: setup  ## Lint, types, import contracts.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict gateway bench
	$(BIN)/python -m mypy.stubtest gateway._native
	$(BIN)/lint-imports
	cargo fmt --all --check
	PYO3_PYTHON=$(CURDIR)/$(BIN)/python cargo clippy --quiet --workspace --all-targets -- -D warnings

format:  ## Formats everything the way `make check` wants it.
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format
	cargo fmt --all

conformance: setup  ## Judges the gateway by a framing oracle: make conformance CORPUS=DIR ORACLE=FILE.
	@test -n "$(CORPUS)" -a -n "$(ORACLE)" || { echo "usage: make conformance CORPUS=DIR ORACLE=FILE" >&2; exit 2; }
	@$(BIN)/python -m tests.conformance "$(CORPUS)" "$(ORACLE)"

# What people would use instead, of which only benchmarks know.
$(RIVALS): pyproject.toml | setup
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"], sep="\n")' \
	    | $(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement /dev/stdin
	@touch $@

bench: setup $(RIVALS)  ## Micro-benchmarks: what a decision costs, beside plain Python and the libraries for it.
	@$(BIN)/python -m pytest bench/micro --benchmark-enable --benchmark-columns=min,median,iqr,ops --benchmark-sort=name

bench-native: setup  ## Micro-benchmarks of the native crates, without Python.
	@cargo bench --quiet -p headgate-engine -p headgate-shm --bench decisions --bench memory

bench-instructions: setup  ## Instructions per request, by callgrind; the engine's against the committed baseline.
	@$(BIN)/python -m bench.instructions engine
	@$(BIN)/python -m bench.instructions worker

bench-peers: setup  ## Cost, latency and memory beside nginx, HAProxy, Envoy and Caddy; half an hour.
	@$(BIN)/python -m bench.peers --json bench/results/peers.json

bench-page:  ## Draws docs/benchmarks.md and its charts from the results of `make bench-peers`.
	@$(BIN)/python -m bench.render bench/results/peers.json

wheel: setup  ## Builds the wheel, installs it in an empty environment and starts it there.
	@echo "==> building the wheel"
	@$(BIN)/maturin build --release --out dist
	@.ci/wheel $(PYTHON)

wheel-pgo: setup  ## The same by profile: needs `rustup component add llvm-tools`, and takes twice as long.
	@echo "==> building the wheel by the profile of a gateway at work"
	@$(BIN)/maturin build --release --pgo --out dist
	@.ci/wheel $(PYTHON)

clean:  ## Removes what the other commands made.
	rm -rf $(VENV) target dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks
	find gateway tests bench -name __pycache__ -prune -exec rm -rf {} +
	rm -f gateway/_native*.so
