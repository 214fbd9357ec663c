#!/bin/sh
# Holds what deploys the node, and what checks it on every change, against their own tools and schemas.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
mkdir -p build/manifests

quietly() { # says what a command printed only when it failed
  said=$("$@" 2>&1) || { echo "$said" >&2; exit 1; }
}

image() {
  quietly "$bin/hadolint" deploy/Dockerfile
  quietly "$bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose/compose.yaml
}

kubernetes() { # as the API server would read it; kinds of the Prometheus operator by the operator's own definition of them
  kustomize=$(sh .ci/tool.sh kustomize sigs.k8s.io/kustomize/kustomize/v5 v5.8.2)
  "$kustomize" build deploy/kubernetes >build/manifests/all.yaml
  quietly "$bin/kubernetes-validate" --strict build/manifests/all.yaml
  operator=$(go mod download -json github.com/prometheus-operator/prometheus-operator@v0.85.0)
  echo "$operator" | "$bin/python" -c '
import json, pathlib, sys, yaml
crd = pathlib.Path(json.load(sys.stdin)["Dir"], "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml")
schema = yaml.safe_load(crd.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
pathlib.Path("build/manifests/service-monitor.json").write_text(json.dumps(schema))'
  quietly "$bin/check-jsonschema" --schemafile build/manifests/service-monitor.json deploy/kubernetes/service-monitor.yaml
}

unit() { # systemd itself, where this machine has it; it misses the program, which is not installed here
  command -v systemd-analyze >/dev/null || return 0
  said=$(systemd-analyze verify deploy/systemd/a2a-node.service 2>&1 || true)
  [ -z "$(echo "$said" | grep -v "is not executable: No such file" || true)" ] || { echo "$said" >&2; exit 1; }
}

workflows() {
  actionlint=$(sh .ci/tool.sh actionlint github.com/rhysd/actionlint/cmd/actionlint v1.7.12)
  quietly "$actionlint" -shellcheck "$bin/shellcheck" .github/workflows/*.yml
  quietly "$bin/zizmor" --offline --no-progress .github
  quietly "$bin/check-jsonschema" --builtin-schema vendor.dependabot .github/dependabot.yml
}

quietly "$bin/shellcheck" .ci/run .ci/*.sh clients/*.sh deploy/*.sh deploy/*/*.sh monitoring/*.sh
image
kubernetes
unit
workflows
