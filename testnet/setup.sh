#!/bin/sh
# Installs what the tests need besides Go: a browser, and foreign software to
# test against. Quick when everything is there; safe to run again at any time.
# On a bare Debian machine it has to run as root once, for apt-get.
set -eu
cd "$(dirname "$0")"

missing=""
[ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing="$missing chromium"
[ -d /usr/share/fonts/truetype/dejavu ] || missing="$missing fonts-dejavu-core"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
if [ -n "$missing" ]; then
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		echo "testnet/setup.sh: missing:$missing; install them with your system's packages, or run this as root on Debian" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of words
	apt-get install -y -qq --no-install-recommends $missing
fi

# Each folder is pinned by its lockfile. A stamp says for which one it was
# installed, so that the second run costs nothing.
for package in */package-lock.json; do
	dir=$(dirname "$package")
	stamp="$dir/node_modules/.installed"
	if [ -f "$stamp" ] && cmp -s "$package" "$stamp"; then
		continue
	fi
	echo "testnet/setup.sh: installing $dir"
	for try in 1 2 3; do
		if (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
			break
		fi
		if [ "$try" -eq 3 ]; then
			echo "testnet/setup.sh: npm could not install $dir; check the connection to the package registry and run it again" >&2
			exit 1
		fi
		sleep 5
	done
	cp "$package" "$stamp"
done
