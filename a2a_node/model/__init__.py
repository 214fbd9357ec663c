"""What the words of the mesh mean: plain values, errors and ports, made of the standard library alone."""
