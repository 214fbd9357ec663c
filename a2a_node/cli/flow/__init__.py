"""Workflows on a screen and on paper: graphs, timelines and bars, made of plain values alone."""
