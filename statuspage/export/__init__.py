"""The mirror: the complete public site as files, for the day when the origin is gone.

`looking` says which addresses there are and which of them changed, `asking` gets their
answers from the application itself, `portable` and `published` make files of them, a
`stage` holds those on this machine, `targets` carry them away. Knows nothing of Flask.
"""
