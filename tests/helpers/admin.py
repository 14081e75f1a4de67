"""A browser of somebody in the admin, and a reader of its pages."""

import html
import re
from urllib.parse import urlsplit

BASE = "https://status.example.com"
COOKIE = "__Host-statuspage"


class Browser:
    """A test client over HTTPS that sends what a browser sends: cookie, token, Referer."""

    def __init__(self, app):
        self.client = app.test_client()
        self._token = None

    def get(self, path, **more):
        return self.client.get(path, base_url=BASE, **more)

    def post(self, path, data=None, *, token=None, headers=None, **more):
        form = {"csrf_token": token or self.token(), **(data or {})}
        answer = self.client.post(
            path,
            data=form,
            base_url=BASE,
            headers={"Referer": BASE + path, **(headers or {})},
            **more,
        )
        if path.startswith(("/admin/sign", "/admin/account")):
            self._token = None  # The session is another one now.
        return answer

    def token(self):
        """The CSRF token that this browser's pages carry, until it signs in or out."""
        self._token = self._token or self._read_token()
        return self._token

    def _read_token(self):
        for path in ("/admin/account", "/admin/sign-in"):
            found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(path).text)
            if found:
                return found[1]
        raise AssertionError("no form, no token")

    @property
    def cookie(self):
        """What a thief would take."""
        return self.client.get_cookie(COOKIE, domain=urlsplit(BASE).hostname).value

    @cookie.setter
    def cookie(self, value):
        self.client.set_cookie(COOKIE, value, domain=urlsplit(BASE).hostname, secure=True)

    def sign_in(self, email, password, **more):
        return self.post("/admin/sign-in", {"email": email, "password": password, **more})


def text_of(response):
    """What a reader sees: tags gone, blanks joined."""
    plain = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", response.text, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(plain))


def fields_of(response, action=None):
    """Name → value of the fields of the form with this action, as a browser would send them.

    Without an action: of the form that posts to the page itself.
    """
    mark = f'action="{re.escape(action)}"[^>]*' if action else 'class="narrow[^>]*'
    form = re.search(rf"<form[^>]*{mark}>(.*?)</form>", response.text, flags=re.S)
    assert form, f"no form for {action}"
    found = {}
    for tag in re.findall(r"<input[^>]*>", form[1]):
        attrs = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attrs.get("type") in {"checkbox", "radio"} and " checked" not in tag:
            continue
        if "name" in attrs:
            found[attrs["name"]] = html.unescape(attrs.get("value", "on"))
    for name, body in re.findall(
        r'<textarea[^>]*name="([^"]+)"[^>]*>\r?\n?(.*?)</textarea>', form[1], flags=re.S
    ):
        found[name] = html.unescape(body)
    for name, body in re.findall(
        r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form[1], flags=re.S
    ):
        chosen = re.search(r'<option selected value="([^"]*)"|value="([^"]*)" selected', body)
        first = re.search(r'value="([^"]*)"', body)
        found[name] = (chosen[1] or chosen[2] or "") if chosen else first[1]
    return found
