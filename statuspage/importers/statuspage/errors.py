"""What an import says when it cannot go on."""


class RefusedError(Exception):
    """One sentence for the person who runs the import. Nothing was written."""
