// Holds Grafana dashboards against their schema, strictly: unknown and missing fields of the dashboard, its panels'
// options and their queries are errors.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	for _, file := range os.Args[1:] {
		if problem := check(file); problem != "" {
			fmt.Fprintf(os.Stderr, "%s: %s\n", file, problem)
			os.Exit(1)
		}
	}
}

func check(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	var read dashboard.Dashboard
	// The SDK answers errors that hold nothing: their words tell, not whether they are nil.
	if err := read.UnmarshalJSONStrict(raw); err != nil && err.Error() != "" {
		return err.Error()
	}
	if err := read.Validate(); err != nil && err.Error() != "" {
		return err.Error()
	}
	return ""
}
