"""The OpenAPI document of the API, made from the contract with its comments; `make gen` writes it."""
