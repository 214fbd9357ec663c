#!/bin/sh
# Prints the path of a Chromium without a window: this machine's own where it has one, or else Debian's
# chromium-headless-shell, unpacked into build/ once with what it needs.
set -eu
cd "$(dirname "$0")/.."
browser=build/browser

for program in chromium chromium-headless-shell google-chrome; do
  if command -v "$program" >/dev/null; then
    command -v "$program"
    exit
  fi
done

sh .ci/debian.sh "$browser" whole chromium-headless-shell
if ! [ -x "$browser/chromium" ]; then
  cat >"$browser/chromium.new" <<'END'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-gnu):$(echo "$here"/usr/lib/*-linux-gnu/pulseaudio)
export LD_LIBRARY_PATH
exec "$here/usr/lib/chromium/chromium-headless-shell" "$@"
END
  chmod +x "$browser/chromium.new" && mv "$browser/chromium.new" "$browser/chromium"
fi
echo "$PWD/$browser/chromium"
