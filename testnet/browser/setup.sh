#!/bin/sh
# Installs what pages.mjs needs: Debian's Chromium, if no browser is there, and
# the two packages that the lock file names.
set -eu
cd "$(dirname "$0")"

if [ -z "${CHROMIUM:-}" ] && ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then
	if [ "$(id -u)" != 0 ]; then
		echo "No Chromium is here. Install one (apt-get install chromium), or set CHROMIUM to its path." >&2
		exit 1
	fi
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi

if ! [ -d node_modules/axe-core ] || ! [ -d node_modules/playwright-core ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
	PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --ignore-scripts
fi
