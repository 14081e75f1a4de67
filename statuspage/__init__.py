"""A status page that people believe."""
