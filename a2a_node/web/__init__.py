"""HTTP's face: health and metrics."""
