"""What axe finds on a page, in the light and in the dark."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Barriers = list[tuple[str, list[str]]]


def barriers(page: Page) -> Barriers:
    """Each rule that is broken, with the beginning of each element that breaks it.

    Themes differ in their colours only, so the dark is asked for its contrast alone.
    """
    page.emulate_media(color_scheme="light")
    light = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    page.evaluate("Promise.all(document.getAnimations().map(one => one.finished))")
    contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    dark = Axe().run(page, options=contrast).response["violations"]
    page.emulate_media(color_scheme="light")
    return [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in light + dark]
