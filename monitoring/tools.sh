#!/bin/sh
# Prints the directory of prometheus, promtool, prometheus-alertmanager and amtool: those of this machine where it has
# them, or else Debian's packages, unpacked into build/ once.
set -eu
cd "$(dirname "$0")/.."
tools=build/prometheus

if [ ! -d "$tools" ] && command -v promtool >/dev/null && command -v amtool >/dev/null &&
  command -v prometheus-alertmanager >/dev/null; then
  dirname "$(command -v promtool)"
  exit
fi
sh .ci/debian.sh "$tools" alone prometheus prometheus-alertmanager
echo "$PWD/$tools/usr/bin"
