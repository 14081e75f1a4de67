"""Web feeds: what was told, as frozen entries, and their renderings. Knows nothing of HTTP.

`entries` is the vocabulary. `updates` makes an entry of each update and postmortem,
`history` one of each incident as Statuspage does. `xml` renders RSS 2.0 and Atom,
`jsonfeed` JSON Feed 1.1.

Nothing here asks what time it is: the same words give the same bytes.
"""
