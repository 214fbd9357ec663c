#!/bin/sh
# Holds the configuration of Prometheus and Alertmanager against their own tools, and the alerts against their tests.
set -eu
cd "$(dirname "$0")"
tools=$(sh tools.sh)

quietly() {
  said=$("$@" 2>&1) || { echo "$said" >&2; exit 1; }
}

routed() { # who hears of an alert of a severity
  heard=$("$tools/amtool" config routes test --config.file alertmanager/alertmanager.yml "severity=$1" 2>/dev/null)
  [ "$heard" = "$2" ] || { echo "alerts that are $1 go to $heard rather than to $2" >&2; exit 1; }
}

quietly "$tools/promtool" check config prometheus/prometheus.yml
quietly "$tools/promtool" check rules --lint=all --lint-fatal prometheus/rules/*.yml
quietly "$tools/promtool" test rules prometheus/tests/*.yml
quietly "$tools/amtool" check-config alertmanager/alertmanager.yml
routed critical webhook,chat
routed warning chat
routed info mail
