"""The caching reverse proxy that owns the port. It knows HTTP, and nothing of status pages.

`server` listens. Each client has a `connection`: llhttp parses its requests, and what is in
the `cache` is written at once. For everything else the web process is asked over a Unix
socket (`upstream`), with a limited number of requests at a time. The cache stores responses
that are marked `public` and checks several times a second whether they are current, so a
reader is never more than about a second behind. If the web process does not respond, the
last good response stays and is marked with its age after half a minute. `request_cache`
knows the most frequent requests by their bytes. `limits` counts what clients make us hold;
`state` is what all connections share. The event loop never waits for a view, a row or a
slow client.
"""
