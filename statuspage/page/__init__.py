"""What the public may see, as frozen values, and their renderings. Knows nothing of HTTP.

`views` is the vocabulary, `snapshot` fills it from the domain. Visibility (drafts,
archived and hidden components, retracted incidents) is decided there and nowhere
else: HTML, feeds and JSON render views and cannot reach an unpublished row.
"""
