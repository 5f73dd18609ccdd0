# `make` or `make help` lists what there is. `make ci` is what a change must pass.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

FUZZTIME ?= 30s
COUNT    ?= 10
BENCH    ?= .
BENCHTIME ?= 50ms
ARGS     ?=
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Expands to a loop over the directories of the modules in go.work.
each_module = dirs=$$(go list -m -f '{{.Dir}}'); for dir in $$dirs; do echo "-- $$dir"; cd "$$dir"

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-11s %s\n", $$1, $$2 }'

.PHONY: test
test: ## run every module's tests
	go test work

.PHONY: race
race: ## the same, shuffled, with the race detector
	go test -race -shuffle=on work

.PHONY: lint
lint: ## run golangci-lint, pinned in tools/go.mod, in every module
	.ci/run lint

.PHONY: fmt
fmt: ## format every module as the linter wants it
	@$(each_module); GOWORK=off go tool -modfile="$(CURDIR)/tools/go.mod" golangci-lint fmt ./...; done

.PHONY: fuzz
fuzz: ## fuzz each target for FUZZTIME (30s)
	FUZZTIME=$(FUZZTIME) .ci/run fuzz

.PHONY: bench
bench: ## run the benchmarks in COUNT (10) passes, each in another order, and summarise; BENCH selects
	@mkdir -p bin
	go test -c -o bin/apikey.test .
	cd benchmarks && GOWORK=off go test -c -o ../bin/benchmarks.test .
	for pass in $$(seq $(COUNT)); do for part in apikey benchmarks; do \
		bin/$$part.test -test.run '^$$' -test.bench '$(BENCH)' -test.benchmem -test.benchtime $(BENCHTIME) \
			-test.shuffle on -test.timeout 1h; done; done | tee bin/bench.txt
	GOWORK=off go tool -modfile=tools/go.mod benchstat -filter '.unit:(sec/op OR allocs/op)' bin/bench.txt
	cd benchmarks && GOWORK=off go run ./cmd/report ../bin/bench.txt

.PHONY: bench-quick
bench-quick: ## the same in about a minute: do they run, and what is far off
	$(MAKE) bench COUNT=1 BENCHTIME=10ms

# Passes, benchmark, keys, and how often each is run in a pass: to find that out would
# collect the garbage of gigabytes again and again.
LARGE = 3:Header:1000000:100000x 10:Store:1000000:100000x 3:Memory:1000000:1x \
	1:Header:10000000:100000x 1:Store:10000000:100000x 1:Memory:10000000:1x

.PHONY: bench-large
bench-large: ## measure with 1M keys (three passes, ten of Store) and 10M (one): 20 GB of memory, half an hour
	@mkdir -p bin
	cd benchmarks && GOWORK=off go test -c -o ../bin/benchmarks.test .
	for one in $(LARGE); do IFS=: read -r passes part keys times <<<"$$one"; for pass in $$(seq "$$passes"); do \
		APIKEY_LARGE=1 bin/benchmarks.test -test.run '^$$' -test.bench "^Benchmark$$part"'$$'"/^keys=$$keys"'$$' \
			-test.benchmem -test.benchtime "$$times" -test.shuffle on -test.timeout 2h; done; done | tee bin/large.txt
	cd benchmarks && GOWORK=off go run ./cmd/report ../bin/large.txt

.PHONY: bench-e2e
bench-e2e: ## measure whole servers with wrk, in COUNT (10) rounds
	@mkdir -p bin
	cd benchmarks && GOWORK=off go build -o ../bin/e2e ./e2e
	bin/e2e -rounds $(COUNT) | tee bin/e2e.txt
	cd benchmarks && GOWORK=off go run ./cmd/report ../bin/e2e.txt

PROFILED = kept:Header$$/keys=1000$$/mode=serial/impl=kept$$ shipped:Header$$/keys=1000$$/mode=serial/impl=shipped$$ \
	checksum:Check$$/impl=checksum$$ bodies:Bodies$$/size=4kB/mode=serial/impl=bodies$$

.PHONY: bench-profile
bench-profile: ## profile what misses its goals, and say what the time goes into
	@mkdir -p bin
	cd benchmarks && GOWORK=off go test -c -o ../bin/benchmarks.test .
	for one in $(foreach p,$(PROFILED),'$(p)'); do bin/benchmarks.test -test.run '^$$' -test.bench "$${one#*:}" \
		-test.benchtime 3s -test.cpuprofile "bin/$${one%%:*}.prof"; done
	cd benchmarks && GOWORK=off go run ./cmd/profile \
		$(foreach p,$(PROFILED),../bin/$(firstword $(subst :, ,$(p))).prof) | tee ../bin/profile.txt

.PHONY: bench-docs
bench-docs: ## put what all of these have found into docs/performance.md
	cd benchmarks && GOWORK=off go run ./cmd/report -update ../docs/performance.md -svg ../docs/images/performance.svg \
		../bin/bench.txt ../bin/large.txt ../bin/e2e.txt ../bin/profile.txt

.PHONY: scale-docs
scale-docs: ## work out the tables of docs/scale.md anew
	cd benchmarks && GOWORK=off go run ./cmd/scale -update ../docs/scale.md

.PHONY: cover
cover: ## measure how much of all modules' code all modules' tests reach
	@mkdir -p bin
	go test -coverpkg=./... -coverprofile=bin/cover.out work
	go tool cover -func=bin/cover.out | tail -n 1
	go tool cover -html=bin/cover.out -o bin/cover.html
	@echo "bin/cover.html shows it line by line"

.PHONY: run
run: ## start the example server; ARGS="-store memory:" passes flags
	go run ./examples/otter $(ARGS)

.PHONY: tidy
tidy: ## tidy every module, tools too
	@$(each_module); GOWORK=off go mod tidy; done
	cd tools && GOWORK=off go mod tidy

.PHONY: vuln
vuln: ## look for known vulnerabilities; needs the vulnerability database, so not part of ci
	@$(each_module); GOWORK=off go run $(GOVULNCHECK) ./...; done

.PHONY: ci
ci: ## everything a change must pass
	.ci/run
