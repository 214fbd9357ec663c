"""Who may do what: grants in memory, the conditions that they hold under, decisions, and how grants are given."""
