"""The incoming layers, one file each, and the server that is the only one to know gRPC's four shapes."""
