"""Several processes at once. It is a package for the sake of fixtures that end with its last test."""
