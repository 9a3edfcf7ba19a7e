# Modules of their own, so that what they need never reaches an importer of the SDK.
PRODUCT := . trusthubotel cmd/trusthub examples
MODULES := $(PRODUCT) lab examples/reviews
# What ogen generates for the benchmarks: 3,300 lines that follow from api/, and are not committed.
PEER := lab/bench/peers/ogenclient/oas_client_gen.go
LINT := go tool -modfile=$(CURDIR)/tools/go.mod golangci-lint

.PHONY: help run test test-all check bench torture simulate grid dist release-check fuzz generate lint breaking drift check-generated check-tidy check-modules check-platforms check-32-bit race

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## fetch the documented example from a fake server; with SID=BU... and credentials in the environment, a real profile
	@cd cmd/trusthub && go run . fetch $(if $(SID),'$(SID)',BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --fake)

test: ## run the tests of the SDK, the command and the small examples
	@set -e; for module in $(PRODUCT); do (cd $$module && go test ./...); done

test-all: test $(PEER) ## also those that compile other clients and SQLite: benchmarks, simulations, examples/reviews
	@cd lab && go test -tags ogen ./...
	@cd examples/reviews && go test ./...

check: check-generated check-one-edit check-breaking check-experiments check-tidy check-modules lint check-platforms check-32-bit race ## everything that CI requires besides the tests

bench: $(PEER) ## compare with other clients, with the newest two versions of Go, and write RESULTS.md in lab/bench/go*
	@set -e; cd lab; for go in 1.27.4 1.26.8; do \
		GOTOOLCHAIN=go$$go GOFLAGS="$$GOFLAGS -tags=ogen" go run ./bench -out bench/go$${go%.*}; done

torture: ## inject network faults between client and server for TORTURE (50s for each protocol), with the race detector; SEED repeats a run
	@cd lab && TORTURE=$(or $(TORTURE),50s) go test -race -count=1 -v -timeout 1h ./torture

simulate: ## run clients that share an account in virtual time, and write the table and the picture of docs/SCALE.md
	@cd lab && RUNS=$(or $(RUNS),20) PICTURE=$(CURDIR)/docs go test -count=1 -v -timeout 30m -run 'Table|Picture|Loss' ./simulation

grid: ## run batches against random faults in virtual time, and print the tables of docs/BATCH.md; ROWS of each list, SEED for other faults
	@cd lab/simulation && GRID=1 ROWS=$(ROWS) SEED=$(SEED) go test -count=1 -timeout 30m -run 'Grid|Faults|Memory'

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
dist: ## build the command for all platforms into dist/, with checksums
	@rm -rf dist && mkdir dist
	@set -e; for platform in $(PLATFORMS); do os=$${platform%/*}; arch=$${platform#*/}; \
		file=trusthub_$${os}_$$arch; [ $$os != windows ] || file=$$file.exe; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -C cmd/trusthub -trimpath -ldflags '-s -w' -o ../../dist/$$file .; done
	@cd dist && if command -v sha256sum > /dev/null; then sha256sum trusthub_*; else shasum -a 256 trusthub_*; fi > SHA256SUMS

release-check: ## try a release without publishing it
	@lab/release.sh

fuzz: ## fuzz each target for FUZZTIME (30s)
	@set -e; for package in $$(go list ./...); do for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
		go test -run '^$$' -fuzz "^$$target$$" -fuzzminimizetime 5s -fuzztime $(or $(FUZZTIME),30s) $$package; done; done
	@cd lab && go test -run '^$$' -fuzz . -fuzztime $(or $(FUZZTIME),30s) ./official

generate: ## make gen/ from api/
	go generate ./...

$(PEER): api/openapi.yaml lab/bench/peers/generate.go lab/bench/peers/ogen.yaml lab/go.mod
	cd lab && go generate ./bench/peers

lint: $(PEER) ## vet and lint all modules
	@set -e; for module in $(MODULES); do (cd $$module && go vet -tags ogen ./... && $(LINT) run --build-tags ogen); done

# What oasdiff permits and Go does not, such as another type or name, is in the declarations of gen/.
DECLARATIONS = go doc -all ./gen | sed -E '/^    /d; s,[[:space:]]//.*,,; s/[[:space:]]+/ /g' | sort
breaking: SHELL := bash
breaking: ## compare the contract with BASE=<git ref>, and fail on a breaking change
	@test -n '$(BASE)' || { echo "usage: make breaking BASE=<git ref>"; exit 2; }
	@go tool -modfile=tools/go.mod oasdiff breaking --fail-on WARN --severity-levels api/oasdiff-severity.txt '$(BASE):api/openapi.yaml' api/openapi.yaml
	@set -o pipefail; before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; git archive '$(BASE)' go.mod go.sum gen | tar -xf - -C "$$before"; \
		(cd "$$before" && $(DECLARATIONS) > before) && $(DECLARATIONS) > "$$before/now" || exit 1; \
		gone=$$(comm -23 "$$before/before" "$$before/now"); \
		[ -z "$$gone" ] || { echo "declared in gen/ before, and not now:"; echo "$$gone"; exit 1; }

SPEC ?= https://raw.githubusercontent.com/twilio/twilio-oai/main/spec/yaml/twilio_trusthub_v1.yaml
drift: SHELL := bash
drift: ## compare the contract with Twilio's own document, or with SPEC=<file or URL>, and fail unless the differences are those of api/drift.txt
	@diff -U99 --label api/drift.txt --label found <(grep -v '^ *#' api/drift.txt) <( \
		sed 's/accountSidAuthToken/accountSid_authToken/' api/openapi.yaml | go tool -modfile=tools/go.mod oasdiff diff \
			--match-path '^/v1/CustomerProfiles/\{Sid\}$$' --exclude-elements description,endpoints,examples,extensions,summary,tags,title \
			--flatten-params '$(SPEC)' - | \
		awk 'NF == 0 { next } /^[a-z]/ { top = $$1 } /^    [a-z]/ { part = $$1 } top ~ /^(paths|servers|security):/ || top part == "components:securitySchemes:"')

check-generated:
	@before=$$(cat gen/* | cksum); $(MAKE) -s generate; [ "$$before" = "$$(cat gen/* | cksum)" ] || \
		{ echo "The generated code was not what api/ generates. It is now: commit it (make generate)."; exit 1; }

check-one-edit: # a property is one edit of the document
	@.ci/one-edit

check-breaking:
	@.ci/try-breaking

check-experiments: # the variant of encoding/json that the toolchain at hand can have and does not have by itself
	@case $$(go env GOVERSION) in go1.26*) variant=jsonv2;; go1.27*) variant=nojsonv2;; *) exit 0;; esac; \
		GOEXPERIMENT=$$variant go test . ./contract ./trusthubtest ./internal/decode

check-tidy: $(PEER)
	@set -e; for module in $(MODULES) tools; do (cd $$module && go mod tidy -diff) || \
		{ echo "go.mod is not tidy: run (cd $$module && go mod tidy)."; exit 1; }; done

check-modules:
	@set -e; for module in $(MODULES) tools; do (cd $$module && go mod verify > /dev/null); done

check-platforms: # what is compiled is not run: without optimizations that takes two thirds of the time
	@set -e; for platform in windows/amd64 darwin/arm64 js/wasm; do for module in $(PRODUCT); do \
		(cd $$module && GOOS=$${platform%/*} GOARCH=$${platform#*/} go vet -gcflags='all=-N -l' ./...); done; done

check-32-bit: # the tests where such programs run
	@set -e; for module in $(PRODUCT); do (cd $$module && GOOS=linux GOARCH=386 go vet ./...); done
	@[ "$$(go env GOHOSTOS)/$$(go env GOHOSTARCH)" != linux/amd64 ] || GOARCH=386 go test ./...

race: # without SQLite, which takes minutes to compile
	@set -e; for module in $(PRODUCT) lab; do (cd $$module && TORTURE=10s go test -race ./...); done
