"""The readers' process: it hands out public answers, and asks the web process for all else.

Its event loop never waits for a view, a row or a slow reader, so readers are served at
the same pace whatever the desk does. It knows no Flask and no database: it is a small
HTTP cache that stores what the web process marks as public, and asks several times a
second whether that is still right.
"""
