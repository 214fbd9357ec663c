"""A gRPC server and client on grpcio's C core, pumped from the event loop; it knows bytes and nothing of the mesh."""
