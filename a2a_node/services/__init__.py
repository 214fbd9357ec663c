"""gRPC's face: each method converts, calls, converts."""
