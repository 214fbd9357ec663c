"""The contract's messages to the words of the model and back: payloads, errors, agents, calls."""
