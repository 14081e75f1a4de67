"""Two people edited the same thing: the second one sees both texts and loses none."""

from collections.abc import Mapping

from flask import Response, make_response, render_template, request

from statuspage.db import db
from statuspage.errors import Conflict
from statuspage.lib.markdown import clean

_OURS = {"csrf_token", "nonce", "expected_version"}


def conflict_page(
    conflict: Conflict, *, version: int, keep: str, labels: Mapping[str, str]
) -> Response:
    """Answer 409 with what stands now beside what was typed.

    Sending it again replaces `version`; `keep` is where to go to leave things as they are.
    """
    db.session.rollback()
    typed = [
        (name, clean(value)) for name, value in request.form.items(multi=True) if name not in _OURS
    ]
    beside = [
        (name, labels.get(name, name), conflict.theirs.get(name, ""), value)
        for name, value in typed
        if name in labels and value != conflict.theirs.get(name, value)
    ]
    shown = {name for name, *_ in beside}
    return make_response(
        render_template(
            "admin/conflict.html",
            message=conflict.message,
            beside=beside,
            hidden=[field for field in typed if field[0] not in shown],
            version=version,
            action=request.path,
            keep=keep,
        ),
        409,
    )
