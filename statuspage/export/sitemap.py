"""The addresses of the public site, as its views declare them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask

from statuspage.page.exported import Exported, declaration
from statuspage.page.snapshot.values import Listed

FRONT = "/"
MISSING = "/404"
"""Not an address: its response is shown at every unknown address."""
FEED_STYLESHEET = "/static/feed.css"
ALTERNATIVES = re.compile(r"<any\((.*?)\):\w+>")
PUBLIC_ID = "<public_id>"


@dataclass(frozen=True)
class Sitemap:
    rules: tuple[tuple[str, Exported], ...]
    """Paths with `<public_id>` where the id of an incident or a component belongs."""

    @classmethod
    def of(cls, app: Flask) -> "Sitemap":
        return cls(
            tuple(
                (path, kind)
                for rule in app.url_map.iter_rules()
                if (kind := declaration(app.view_functions[rule.endpoint]))
                for path in _alternatives(rule.rule)
            )
        )

    def after_changes(self) -> Iterator[str]:
        """The front page first."""
        paths = self._paths(Exported.AFTER_CHANGES, Exported.AFTER_CHANGES_NUMBERED)
        yield from dict.fromkeys([FRONT, *paths])

    def after_releases(self) -> Iterator[str]:
        yield from self._paths(Exported.AFTER_RELEASES)
        yield FEED_STYLESHEET
        yield MISSING

    def numbered(self, number: int) -> Iterator[str]:
        for path in self._paths(Exported.AFTER_CHANGES_NUMBERED):
            yield f"{path}?page={number}"

    def of_component(self, public_id: str) -> Iterator[str]:
        yield from self._paths(Exported.PER_COMPONENT, public_id=public_id)

    def of_incident(self, incident: Listed) -> Iterator[str]:
        kinds = {Exported.PER_INCIDENT}
        if not incident.is_retracted:
            kinds.add(Exported.PER_PUBLISHED_INCIDENT)
            if incident.has_postmortem:
                kinds.add(Exported.PER_POSTMORTEM)
            if not incident.is_over:
                kinds.add(Exported.PER_OPEN_INCIDENT)
        yield from self._paths(*kinds, public_id=incident.id)

    def _paths(self, *kinds: Exported, public_id: str = "") -> Iterator[str]:
        for path, kind in self.rules:
            if kind in kinds:
                yield path.replace(PUBLIC_ID, public_id)


def _alternatives(rule: str) -> Iterator[str]:
    """`/feed.rss` and `/feed.atom` of `/feed.<any(rss, atom):form>`."""
    match = ALTERNATIVES.search(rule)
    if match is None:
        yield rule
        return
    for form in match[1].split(","):
        yield rule.replace(match[0], form.strip())
