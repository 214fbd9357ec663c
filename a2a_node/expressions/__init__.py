"""Expressions of users, in CEL: what may be written down, and how long one may work."""
