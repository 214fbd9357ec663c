#!/bin/sh
# Prints where a program written in Go lies, in build/tools; makes it first where it is missing.
#   sh .ci/tool.sh PROGRAM MODULE VERSION
# The version is part of the file's name, so that a new one is never missed.
set -eu
program=$1 module=$2 version=$3
cd "$(dirname "$0")/.."
tools=$PWD/build/tools/bin

if ! [ -x "$tools/$program-$version" ]; then
  command -v go >/dev/null || { echo "$program is made with Go >= 1.26, which is not installed" >&2; exit 1; }
  GOBIN=$tools go install "$module@$version" >&2
  mv "$tools/$program" "$tools/$program-$version"
fi
echo "$tools/$program-$version"
