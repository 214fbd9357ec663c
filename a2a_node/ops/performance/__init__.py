"""Performance: load, profiles, and settings that are kept only when they help."""
