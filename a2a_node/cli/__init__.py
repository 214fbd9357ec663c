"""The commands: a node to run, and every question that a terminal may ask a mesh."""
