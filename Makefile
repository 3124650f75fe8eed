# The menu. CONTRIBUTING.md says when to use what.
GO ?= go
BIN := bin/waypost
VERSION ?= 0.1.0-dev
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: run build test crash check bench screenshots setup clean

run: build ## a three-community federation on this machine: http://localhost:8080
	./$(BIN) demo

build: ## bin/waypost
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/waypost

setup: ## what the tests need besides Go: a browser and independent peers
	testnet/setup.sh

test: setup build ## everything but the long crash tests
	$(GO) vet ./...
	$(GO) test -shuffle=on -timeout 20m $$($(GO) list ./... | grep -v /testnet/crash)
	$(GO) test -race -shuffle=on -timeout 20m ./node/store/... ./node/search/... ./node/directory/... ./node/federation/... ./node/peer/...

crash: ## kill -9, power cuts and full disks under whole nodes, a few minutes
	$(GO) test -timeout 20m ./testnet/crash

check: ## what must hold before a push
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "run gofmt on:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -race -shuffle=on -timeout 30m ./...
	testnet/vulncheck.sh

bench: build ## bench/results.json: ratios against a limit measured in the same run
	./$(BIN) bench --json bench/results.json

screenshots: setup build ## docs/images: what people see, at phone and desktop width
	testnet/screenshots.sh

clean:
	rm -rf bin bench
