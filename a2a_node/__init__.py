"""The mesh node that you run next to your agents: any agent calls any other by name, over gRPC."""
