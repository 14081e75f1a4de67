"""A page, tokens of every scope, and a program that speaks to the Manage API."""

import pytest

from statuspage.domain import page_settings, tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.tokens import Scope


@pytest.fixture
def page_id(committed, at) -> str:
    with committed():
        return page_settings.create("Brambleway", by=SYSTEM, at=at).public_id


@pytest.fixture
def token(committed, page_id, at):
    """`token(Scope.READ)` makes a token and gives its secret text."""

    def make(*scopes: Scope, name: str | None = None, **rest) -> str:
        with committed():
            name = name or " and ".join(scopes)
            return tokens.create(name, scopes=scopes, by=SYSTEM, at=at, **rest)[1]

    return make


class Program:
    """An API client with a token; addresses are given from `/v1` on."""

    def __init__(self, client, secret: str | None, page_id: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"OAuth {secret}"} if secret else {}
        self._page = f"/v1/pages/{page_id}"

    def send(self, method: str, path: str, *, headers=None, **rest):
        """`path` below the page, or from `/v1` on."""
        address = path if path.startswith("/v1") else f"{self._page}{path}"
        merged = self._headers | (headers or {})
        return self._client.open(address, method=method, headers=merged, **rest)

    def get(self, path: str, **rest):
        return self.send("GET", path, **rest)

    def post(self, path: str, json=None, **rest):
        return self.send("POST", path, json=json, **rest)

    def patch(self, path: str, json=None, **rest):
        return self.send("PATCH", path, json=json, **rest)

    def put(self, path: str, json=None, **rest):
        return self.send("PUT", path, json=json, **rest)

    def delete(self, path: str, **rest):
        return self.send("DELETE", path, **rest)


@pytest.fixture
def program(client, token, page_id) -> Program:
    """A program that may do everything."""
    return Program(client, token(Scope.MANAGE, name="deployer"), page_id)


@pytest.fixture
def program_with(client, token, page_id):
    """`program_with(Scope.READ)`: a program that may do just that; without: no token."""

    def make(*scopes: Scope) -> Program:
        return Program(client, token(*scopes) if scopes else None, page_id)

    return make
