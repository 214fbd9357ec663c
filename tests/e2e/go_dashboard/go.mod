module github.com/a2amesh/a2a-node/tests/e2e/go_dashboard

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
