"""What happened: recorded off the hot path, told to those who watch, and verified."""
