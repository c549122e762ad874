# One profile (dev, its dependencies optimised) builds demo, test and lint, so
# RocksDB is compiled once: docs/adr/0004-one-profile.md. Never set RUSTFLAGS.
# CARGO_TARGET_DIR is honoured; otherwise everything is built in ./target.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/idnode
BUF   := $(CACHE)/npm/node_modules/.bin/buf
.PHONY: demo run check fmt fmt-check lint test test-slow bench bench-peers bench-grpc bench-scale bench-trace bench-cost fuzz buf deny image help
.DEFAULT_GOAL := help

demo: ## Install what the build needs, build, and run a node with demo data
	@scripts/setup && cargo run --locked -- dev
run: ## Run idnode with A="arguments"
	@cargo run --locked --quiet -- $(A)
check: fmt-check lint buf test ## All that a change must pass
fmt: ## Format the sources
	cargo fmt
fmt-check: ## Check the format
	cargo fmt --check
lint: ## Clippy and rustdoc, warnings being errors
	@scripts/setup
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps
test: ## Install what the tests need, and run them all
	@scripts/setup --tests && cargo test --locked
test-slow: ## The same with the long rounds
	@scripts/setup --tests && IDNODE_SLOW=1 cargo test --locked
bench: ## Micro benchmarks
	cargo bench --locked
bench-peers: ## Compare with other name servers on this machine: PEERS="nsd knot"
	benches/peers/run
bench-grpc: ## Resolution over gRPC beside a service that looks nothing up
	benches/grpc.sh
bench-scale: ## What it costs by how much it holds: SCALES="1000000 10000000"
	benches/scale.sh
bench-trace: ## Compare traces with PostgreSQL on this machine
	benches/trace.sh
bench-cost: ## Compare two revisions on this machine: BEFORE=rev AFTER=rev
	benches/cost.sh $(BEFORE) $(AFTER)
fuzz: ## Fuzz one target: T=dns_message
	cargo +nightly fuzz run --fuzz-dir tests/fuzz $(T)
buf: ## Lint the protobuf files
	@scripts/setup --tests && $(BUF) lint proto
deny: ## Licences, advisories and sources of dependencies (needs cargo-deny)
	cargo deny check
image: ## Build the container image
	docker build -t idnode .
help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
