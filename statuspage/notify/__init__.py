"""News out: jobs, fan-out, channels. Knows nothing of HTTP requests."""
