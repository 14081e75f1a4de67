"""`flask check`: what an operator should know, and what to do about it."""
