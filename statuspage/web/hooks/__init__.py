"""Hooks: what other systems post to us, each to an address with a token of its own."""
