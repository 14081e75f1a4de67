"""Copies of all data: backups, restoring them, and the move between database engines."""
