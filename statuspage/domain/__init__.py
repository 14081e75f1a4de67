"""Nouns and rules of a status page. Knows nothing of HTTP."""
