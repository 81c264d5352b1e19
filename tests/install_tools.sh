#!/usr/bin/env bash
# What some tests need and no wheel brings: Chromium (with a Chinese font) for the shopper's page, promtool for the
# metrics, pgbouncer for transactions behind a pooler. Installed where we may (root, apt-get); elsewhere this says what is
# missing, and those tests are skipped at home and fail in CI (CI=true).
set -euo pipefail
cd "$(dirname "$0")/.."
tools=var/tools
mkdir -p "$tools/lib"

have_chromium() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || [ -n "${CHROMIUM:-}" ]; }
have_promtool() { command -v promtool >/dev/null || [ -x "$tools/promtool" ]; }
have_pgbouncer() { command -v pgbouncer >/dev/null || [ -x "$tools/pgbouncer" ]; }
may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

if have_chromium && have_promtool && have_pgbouncer; then exit 0; fi
if ! may_install; then
  have_chromium || echo "The browser test lacks Chromium: install it (Debian: apt-get install chromium fonts-noto-cjk) or name it in CHROMIUM." >&2
  have_promtool || echo "The metrics test lacks promtool: install Prometheus (Debian: apt-get install prometheus) or put promtool on the PATH." >&2
  have_pgbouncer || echo "The pooler tests lack pgbouncer: install it (Debian: apt-get install pgbouncer) or put it on the PATH." >&2
  exit 0
fi

# Only the files are taken out of a package whose installation would start a server here.
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
chmod 755 "$unpacked"
unpack() {
  (cd "$unpacked" && apt-get -o APT::Sandbox::User=root download -qq "$@" && for package in *.deb; do dpkg-deb -x "$package" .; done && rm -- *.deb)
}

echo "Installing what the browser, metrics and pooler tests need ..."
apt-get update -qq
have_chromium || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
if ! have_promtool; then
  unpack prometheus
  install -m 755 "$unpacked/usr/bin/promtool" "$tools/promtool"
fi
if ! have_pgbouncer; then
  unpack pgbouncer libc-ares2
  install -m 644 "$unpacked"/usr/lib/*/libcares.so.2 "$tools/lib/"
  install -m 755 "$unpacked/usr/sbin/pgbouncer" "$tools/pgbouncer"
fi
