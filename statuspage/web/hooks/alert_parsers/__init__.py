"""One file a tool: a pure `parse(payload) -> list[AlertReport]` in the tool's own format."""
