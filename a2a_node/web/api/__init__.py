"""The JSON face of the node's services, and the document of it."""
