#!/bin/sh
# Unpacks Debian packages into a directory, once: nothing is installed or started, and no root is needed.
#   debian.sh DIRECTORY alone PACKAGE...   these packages alone
#   debian.sh DIRECTORY whole PACKAGE...   and whatever they need that is not here
set -eu
directory=$1 extent=$2
shift 2
[ ! -d "$directory" ] || exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  echo "Debian's apt-get, to fetch $* with, is not here: install them" >&2
  exit 1
fi
rm -rf "$directory.new" && mkdir -p "$directory.new/lists/partial" "$directory.new/cache/archives/partial"
root=$PWD
cd "$directory.new"
# Lists of our own when the machine has none, or old ones.
own="-o Dir::State::Lists=$PWD/lists -o Dir::Cache=$PWD/cache -o APT::Sandbox::User="
asked=$*
fetch() {
  wanted=$asked
  if [ "$extent" = whole ]; then
    # shellcheck disable=SC2086 # several words
    wanted=$(apt-get -qq "$@" --simulate --no-install-recommends install $asked 2>apt.log |
      sed -n 's/^Inst \([^ ]*\).*/\1/p') && [ -n "$wanted" ] || return 1
  fi
  # shellcheck disable=SC2086 # several words
  apt-get -qq -o APT::Sandbox::User= "$@" download $wanted >apt.log 2>&1
}
# shellcheck disable=SC2086 # several words
fetch || { apt-get -qq $own update >update.log 2>&1 && fetch $own; } || {
  cat apt.log update.log >&2 2>/dev/null || true
  echo "Debian's $asked cannot be fetched: is this machine offline?" >&2
  exit 1
}
for package in *.deb; do dpkg -x "$package" .; done
rm -rf ./*.deb lists cache
cd "$root"
mv "$directory.new" "$directory"
