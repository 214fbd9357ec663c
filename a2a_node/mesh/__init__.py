"""The outgoing layers and leaves: how a call finds an instance and gets there."""
