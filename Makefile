# The few commands a newcomer needs. `make` alone lists them; the work is done by CMake (CMakePresets.json) and tools/.
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
RUNS ?= 1000
STATES ?= 3000
OPS ?= 100000
RELEASE = build/release
PAGEFOLD = $(RELEASE)/pagefold
MAKEFLAGS += --no-print-directory
export JOBS

.DEFAULT_GOAL = help
.PHONY: help crash-proof run test build fresh bench micro install ldconf bindings sweep sweep-ld leakcheck soak eintr real clean format

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: build ## build, then run cat README.md on Pagefold's memory and tell the story
	$(PAGEFOLD) run -- cat README.md

test: ## build and run every test (release; unit and model tests also with sanitizers and invariant checks)
	@tools/test.sh

build: ## install what is missing, build build/release/pagefold
	@tools/install-packages.sh build
	@tools/build.sh release

fresh: ## make run and make test in a new Debian of their own (debootstrap, below build/fresh, removed afterwards)
	@tools/fresh.sh

bench: build ## native against Pagefold in turn: table, and build/bench.json (options: BENCH="--quick --only fork")
	@tools/install-packages.sh bench
	$(RELEASE)/pagefold_bench --json build/bench.json $(BENCH)

micro: build ## microbenchmarks of the model's data structures (options: MICRO="--benchmark_filter=Map")
	@tools/install-packages.sh bench
	@cmake --preset release >/dev/null && tools/build.sh release pagefold_micro
	$(RELEASE)/pagefold_micro $(MICRO)

install: build ## install pagefold below PREFIX (/usr/local)
	cmake --install $(RELEASE) --prefix "$(PREFIX)"

ldconf: build ## the loader's conformance in ten minutes: scenes, damaged files, fuzzing, bindings, sweep, real work
	@tools/install-packages.sh test
	@tools/ldconf.sh

bindings: build ## what our loader binds and relocates in every dynamic program, against the genuine one; none is executed
	$(RELEASE)/pagefold_bindings $(BINDINGS)

sweep: build ## --version of every program in /usr/bin, natively and under Pagefold, each in namespaces of its own
	@tools/sweep.sh

sweep-ld: build ## --version of every program in /usr/bin, under the genuine loader and ours, each in namespaces of its own
	@tools/sweep-ld.sh

leakcheck: build ## RUNS (1000) short runs must leave no process, cgroup, socket, file or memory behind
	@tools/leakcheck.sh $(RUNS)

soak: build ## OPS (100000) random memory and file operations, natively and in every file state: operations and divergences
	$(RELEASE)/pagefold_soak $(OPS)

eintr: build ## interrupted calls under a 5 kHz timer: at most 1 in 10,000
	@tools/eintr.sh

crash-proof: build ## LMDB, SQLite, gdbm, Tkrzw and the journal under `pagefold crash`: a table (STATES=3000 each)
	@tools/install-packages.sh real
	@tools/crash-proof.sh $(STATES)

real: ## install the larger programs, and a Debian 13 below build/real, that some tests use when they are there
	@tools/install-packages.sh real
	@tools/trixie-root.sh

clean: ## remove build/
	rm -rf build compile_commands.json

format: ## clang-format the C and C++ sources
	@tools/install-packages.sh format
	git ls-files -z '*.h' '*.cc' '*.c' | xargs -0 -r clang-format -i
