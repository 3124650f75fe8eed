#!/usr/bin/env bash
# Takes the pictures of docs/images from a fresh demo federation.
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(mktemp -d)
bin/waypost demo --data "$data" --port 18480 >"$data/log" 2>&1 &
demo=$!
trap 'kill -INT $demo 2>/dev/null; wait $demo 2>/dev/null; rm -rf "$data"' EXIT
for _ in $(seq 120); do
	grep -q /search "$data/log" && break
	sleep 0.5
done
sleep 2 # the nodes read each other's listings
mkdir -p docs/images
page='http://localhost:18480/search?q=help&near=Bexleyheath'
node testnet/browser/shot.mjs "$page" docs/images/search-phone.png 360 760
node testnet/browser/shot.mjs "$page" docs/images/search-desk.png 1100 760
echo "docs/images is up to date"
