"""Workflows: templates, which say what steps there are and what they need; read, checked and planned. No run yet."""
