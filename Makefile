# The two commands that a newcomer needs:
#   go run ./cmd/weighbridge serve     the main job, with the embedded store
#   make test                          every test, real clients included
# The others are for those who build weighbridge.

GO      ?= go
BIN     ?= weighbridge
FUZZTIME ?= 10s
# How often the randomised tests repeat in `make soak`.
SOAK    ?= 1

.PHONY: all build build-otel test setup unit clients manifests lint vet staticcheck format fuzz soak bench docs clean

all: lint test

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/weighbridge

# The same with the export of spans (docs/observability.md).
build-otel:
	CGO_ENABLED=0 $(GO) build -trimpath -tags otel -o $(BIN) ./cmd/weighbridge

# Every test under the race detector, then real clients against the whole house,
# then what lies in deploy/.
test: setup unit clients manifests

# Installs what the tests need (pinned Python and Node packages and S3 servers in
# .cache, Debian packages where it may) and says so; it fails where something is missing, and
# never skips.
setup:
	bash testdata/keyservices/setup.sh & other=$$!; bash testdata/clients/setup.sh && bash testdata/s3/setup.sh; own=$$?; wait $$other && exit $$own
	bash testdata/clouds/setup.sh
	bash testdata/portal/setup.sh
	bash testdata/postgres/setup.sh
	bash testdata/deploy/setup.sh

# What lint has vetted is not vetted again.
unit:
	CGO_ENABLED=1 $(GO) test -race -vet=off -timeout 9m ./...
	CGO_ENABLED=1 $(GO) test -race -vet=off -timeout 9m -tags otel -run 'Span|Trace|Collector|Environment' ./internal/tracing
	$(GO) test -vet=off -timeout 9m -tags otel -run 'Span|Trace|Collector|Environment' ./internal/house/cases

# Clients wait more than they compute: more at a time than cores.
clients: setup
	$(GO) test -tags realclients -vet=off -count=1 -timeout 30m -parallel 4 ./internal/house/realclients/... ./internal/house/realclouds/... ./internal/house/s3servers/... ./internal/house/realkeys/... ./internal/house/realapi/... ./internal/house/portal/... ./internal/house/realstores/...

# The chart, the manifests, the webhook, the image and the unit.
manifests:
	cd testdata/deploy && $(GO) test -count=1 ./...

lint: format vet staticcheck

format:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt these:"; echo "$$out"; exit 1; fi

vet:
	$(GO) vet ./...
	$(GO) vet -tags realclients ./internal/house/realclients/... ./internal/house/realclouds/... ./internal/house/s3servers/... ./internal/house/realkeys/... ./internal/house/realapi/... ./internal/house/portal/... ./internal/house/realstores/...
	$(GO) vet -tags otel ./internal/tracing ./internal/house/collector ./internal/house/cases ./internal/bridge ./cmd/weighbridge
	cd bench && $(GO) vet ./...
	cd testdata/deploy && $(GO) vet ./...

staticcheck:
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags otel ./internal/tracing ./internal/house/collector

# Every fuzz target for FUZZTIME each.
fuzz:
	bash internal/fuzz.sh $(FUZZTIME)

# The long forms: half an hour of mixed load, faults and reloads, which prints
# its figures; then hours, large bodies, many rounds.
soak:
	WEIGHBRIDGE_SOAK=$(SOAK) $(GO) test -count=1 -v -timeout 6h -run '^TestSoak$$' ./internal/house/soak
	$(GO) test -run '^$$' -bench S3FrontProgram -benchtime 1x ./internal/house/soak
	WEIGHBRIDGE_SOAK=$(SOAK) $(GO) test -race -count=1 -timeout 6h -skip '^TestSoak$$' ./...
	WEIGHBRIDGE_SOAK=$(SOAK) $(GO) test -tags realclients -count=1 -timeout 2h ./internal/house/realapi ./internal/house/realstores
	$(MAKE) fuzz FUZZTIME=10m

# Weighbridge beside its peers; see docs/performance.md. The whole takes under
# 20 minutes, `make bench ROUNDS=1 SCALE=8` about 2. MUST=1 prints the goals
# alone. bench/setup.sh installs the peers that are Debian packages.
ROUNDS ?= 5
SCALE  ?= 1
bench:
	cd bench && $(GO) run . run -rounds $(ROUNDS) -scale $(SCALE) $(if $(MUST),-must)

# Regenerate the pages that are made from the code.
docs:
	$(GO) test ./... -run 'TestDocs|TestReference|TestSample' -update
	cd testdata/deploy && $(GO) test . -run TestPods -update

clean:
	rm -rf $(BIN) dist .cache
