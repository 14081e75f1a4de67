"""What axe finds on a page, in the light and in the dark."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

Barriers = list[tuple[str, list[str]]]

_FOUND = """
async options => {
  const told = { resultTypes: ["violations"], selectors: false };
  const { violations } = await axe.run({ ...told, ...options });
  return violations.map(one => [one.id, one.nodes.map(node => node.html.slice(0, 160))]);
}
"""


def barriers(page: Page) -> Barriers:
    """Each rule that is broken, with the beginning of each element that breaks it.

    Themes differ in their colours only, so the dark is asked for its contrast alone.
    """
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(_FOUND, {})
    page.emulate_media(color_scheme="dark")
    # Colours change within a moment, and must have done so.
    page.evaluate("document.getAnimations().forEach(one => one.finish())")
    contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    dark = page.evaluate(_FOUND, contrast)
    page.emulate_media(color_scheme="light")
    return [(rule, elements) for rule, elements in light + dark]
