"""Workflows of steps that do nothing, ten at a time: on the mesh, on Temporal, and on the bare engine."""
