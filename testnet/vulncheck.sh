#!/bin/sh
# Looks for known vulnerabilities in what the code calls, when that is possible
# here: govulncheck needs its program and the database at vuln.go.dev. When one
# of them cannot be had, nothing was checked; this says so and is no failure,
# because a laptop on a train must still be able to run the other checks.
set -u
cd "$(dirname "$0")/.."

skip() {
	echo "vulnerabilities: NOT CHECKED: $1" >&2
	exit 0
}

run="go tool govulncheck"
if ! go tool govulncheck -version >/dev/null 2>&1; then
	dir=$(mktemp -d) || exit 1
	trap 'rm -rf "$dir"' EXIT
	if ! GOBIN="$dir" go install golang.org/x/vuln/cmd/govulncheck@latest >"$dir/log" 2>&1; then
		skip "govulncheck could not be installed ($(tail -n 1 "$dir/log"))"
	fi
	run="$dir/govulncheck"
fi

database=${GOVULNDB:-https://vuln.go.dev}
case $database in
http*)
	if command -v curl >/dev/null; then
		curl -fsS -m 20 -o /dev/null "$database/index/db.json" 2>/dev/null
	else
		wget -q -T 20 -O /dev/null "$database/index/db.json" 2>/dev/null
	fi || skip "the database at $database cannot be reached; try again with a connection, or set GOVULNDB"
	;;
esac

$run -db "$database" ./...
