"""Notification channels, one module each; `registry` lists them."""
