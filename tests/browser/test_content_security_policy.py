"""What a browser does where something strange stands on a screen of the desk."""

import logging

from statuspage.web.security import REPORTS


def test_injected_script_does_not_run_and_is_reported(open_page, live_url, northwind, caplog):
    caplog.set_level(logging.WARNING)
    page = open_page()
    page.goto(f"{live_url}/admin/sign-in")
    with page.expect_response(lambda answer: answer.url.endswith(REPORTS)) as reported:
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'),"
            " {textContent: 'window.ran = true'}))"
        )
    assert reported.value.status == 204
    assert page.evaluate("window.ran") is None
    (line,) = [
        record.getMessage() for record in caplog.records if "policy.v" in record.getMessage()
    ]
    assert "inline" in line
    assert "admin.auth.sign_in" in line
