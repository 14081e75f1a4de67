"""Pages for a form that could not be taken: every typed word stays on the screen.

They ask nothing of the database, so that they work while it is gone.
"""

from flask import Response, make_response, render_template, request

from statuspage.lib.markdown import clean
from statuspage.web.security import is_cross_site

_SECRETS = ("password", "recovery_code")
_NEVER_SHOWN = ("csrf_token", "token", *_SECRETS)
_LONG = 40
ROW_PREFIX = "claim-"
"""How the names of a component row's fields begin; `forms.Row` gives them."""


def page(
    heading: str, words: str, code: int, *, sign_in: bool = False, set_up: bool = False
) -> Response:
    """The form as it was typed, with a button that sends it again.

    A form that another site made the browser send is refused without an echo.
    """
    if is_cross_site():
        # Not `abort`: this also runs where Flask is handling an error already.
        return make_response(
            render_template(
                "admin/stop.html",
                heading="This form came from another site",
                words="It was rejected, and nothing was saved.",
            ),
            403,
        )
    fields = [
        (name, clean(value))
        for name, value in request.form.items(multi=True)
        if not any(word in name for word in _NEVER_SHOWN)
    ]
    has_secret = any(word in name for name in request.form for word in _SECRETS)
    return make_response(
        render_template(
            "admin/again.html",
            heading=heading,
            words=words,
            is_our_fault=code >= 500,
            sign_in=sign_in,
            set_up=set_up,
            hidden=[field for field in fields if not _is_prose(*field)],
            prose=[field for field in fields if _is_prose(*field)],
            action=request.full_path if request.query_string else request.path,
            can_send=request.method == "POST" and not has_secret and not request.files,
        ),
        code,
    )


def _is_prose(name: str, value: str) -> bool:
    """Words of a person, to be shown; the rest goes along hidden."""
    is_choice = name.startswith(ROW_PREFIX) or name in {"nonce", "next"}
    return not is_choice and ("\n" in value or len(value) > _LONG or " " in value.strip())
