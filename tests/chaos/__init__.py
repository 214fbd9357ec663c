"""Faults that are done to a mesh of real processes under load, and what came of them: `make chaos`."""
