"""The static export: the complete public site as files, for the day when the origin is gone.

`sitemap` has the addresses that the views declare, `changes` says which of them changed,
`render` gets their responses from the application, `portable` and `published` make files of
them, `staging` holds those on this machine, and `uploads` brings them to `targets`.
"""
