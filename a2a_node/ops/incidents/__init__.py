"""Incidents: noticed, explained, acted upon and written down."""
