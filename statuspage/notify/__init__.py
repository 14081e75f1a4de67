"""Notifications: worker, fan-out, deliveries and channels. Knows nothing about HTTP requests."""
