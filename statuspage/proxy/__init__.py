"""The caching reverse proxy that owns the port. It knows HTTP, and nothing about status pages.

`server` listens. Each client has a `connection`: llhttp parses its requests, and what is in the
`cache` is written at once. Everything else goes to the web process over a Unix socket
(`upstream`), a limited number of requests at a time. The cache stores responses that are marked
`public` and checks several times a second whether they are current. While the web process does
not respond, the last good response stays and is marked with its age, and `watchdog` lets other
requests fail at once. `request_cache` recognizes frequent requests by their bytes; `limits` bounds
what clients make us hold; `state` is what all connections share. `config` is what is passed in:
counters, the clock, the note of age, the error page, the paths of health checks. The event loop
never waits for a view, a row or a slow client.
"""
