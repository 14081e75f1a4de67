"""What a rule says when it refuses."""


class Invalid(ValueError):
    """Input a rule refuses: field name → a sentence for the person who sent it."""

    def __init__(self, **errors: str) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


class Conflict(Exception):
    """Somebody else changed the same thing first.

    `theirs` is what stands now: field name → text, to be shown beside what was typed.
    """

    def __init__(self, message: str, **theirs: str) -> None:
        super().__init__(message)
        self.message = message
        self.theirs = theirs
