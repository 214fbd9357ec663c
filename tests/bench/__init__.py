"""What the node costs: every row is measured beside its baseline, in interleaved rounds of one run."""
