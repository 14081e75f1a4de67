"""What went wrong is logged with where it was, and never with the values at hand."""

import logging

import pytest

from statuspage.observability import logging as logs


@pytest.fixture(autouse=True)
def _as_it_was():
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    root.handlers[:] = before


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_traceback_has_no_local_variables(log_format, capsys):
    logs.configure(log_format)

    def sign_in(password):
        raise LookupError("No such account.")

    try:
        sign_in("correct horse" + " battery")
    except LookupError:
        logging.getLogger("statuspage").exception("sign-in failed")
    logs.drain()
    told = capsys.readouterr().err
    assert "No such account." in told
    assert "in sign_in" in told or '"sign_in"' in told
    assert "horse battery" not in told
