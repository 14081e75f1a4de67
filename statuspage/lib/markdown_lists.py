"""Lists as CommonMark reads them, written in the form that Python-Markdown reads.

CommonMark indents what belongs to an item to the beginning of the item's text, Python-Markdown
by four spaces; and a list may follow a paragraph without an empty line.
https://spec.commonmark.org/0.31.2/#list-items
"""

import re
from dataclasses import dataclass

_ITEM = re.compile(r"([-+*]|\d{1,9}[.)])(?:( +)(.*)|$)")
_RULE = re.compile(r"(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,}")
_FENCE = re.compile(r"(`{3,}|~{3,})[^`]*")
_HEADING = re.compile(r"#{1,6}(?:[ \t]|$)")
_QUOTE = re.compile(r" {0,3}> ?")


@dataclass
class _Item:
    content: int
    """The column where its text begins."""
    kind: str
    """Its bullet, or what ends its number: another one begins another list."""


def indented(lines: list[str]) -> list[str]:
    """The same text with the content of each list item four spaces deeper than its mark."""
    reader = _Reader()
    number = 0
    while number < len(lines):
        quoted = _quoted(lines, number)
        if quoted:
            reader.add_block([f"> {line}".rstrip() for line in indented(quoted)])
        else:
            reader.add(lines[number])
        number += len(quoted) or 1
    return reader.lines


def _quoted(lines: list[str], start: int) -> list[str]:
    """The lines of the quote that begins here, without their marks."""
    result = []
    for line in lines[start:]:
        mark = _QUOTE.match(line)
        if mark is None:
            break
        result.append(line[mark.end() :])
    return result


class _Reader:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._open: list[_Item] = []
        """The items that the present line may belong to, outermost first."""
        self._is_after_blank = True
        self._has_blocks = False
        """The present item has a paragraph or code beside its first line."""
        self._fence = ""
        """What ends the code that the present item holds."""

    def add_block(self, lines: list[str]) -> None:
        self._open = []
        self.lines += lines
        self._is_after_blank = False

    def add(self, line: str) -> None:
        text = line.lstrip(" ")
        indent = len(line) - len(text)
        if self._fence:
            self._add_code(indent, text)
            return
        if not text:
            self.lines.append("")
            self._is_after_blank = True
            return
        if (fence := _FENCE.match(text)) and self._open and indent >= self._open[-1].content:
            self._fence, self._has_blocks = fence[1], True
            self.lines.append("")
            return
        item = None if _RULE.fullmatch(text) else _ITEM.match(text)
        if item and self._begins_item(indent, item):
            self._add_item(indent, item)
        else:
            self._add_text(indent, text)
        self._is_after_blank = False

    def _begins_item(self, indent: int, item: re.Match[str]) -> bool:
        if self._open:
            return True
        if indent > 3:
            return False
        # A number in running text seldom begins a list, and no empty item does.
        return self._is_after_blank or (item[3] is not None and item[1] in "-+*1.1)")

    def _add_item(self, indent: int, item: re.Match[str]) -> None:
        mark, blanks, words = item[1], item[2] or " ", item[3] or ""
        closed = None
        while self._open and indent < self._open[-1].content:
            closed = self._open.pop()
        kind = mark[-1]
        is_first = closed is None or closed.kind != kind
        depth = len(self._open)
        begins_list = is_first and (closed or not depth)
        if (begins_list or self._has_blocks) and not self._is_after_blank:
            self.lines.append("")
        self._has_blocks = False
        self._open.append(_Item(indent + len(mark) + (len(blanks) if len(blanks) < 5 else 1), kind))
        mark = f"{mark[:-1]}." if mark[:-1] else "-"
        self.lines.append(f"{' ' * 4 * depth}{mark} {words}")

    def _add_code(self, indent: int, text: str) -> None:
        """A line of fenced code, indented as code in an item is."""
        if text.startswith(self._fence) and not text.strip().strip(self._fence[0]):
            self._fence, self._is_after_blank = "", False
            return
        beyond = max(indent - self._open[-1].content, 0)
        self.lines.append(f"{' ' * (4 * len(self._open) + 4 + beyond)}{text}")

    def _add_text(self, indent: int, text: str) -> None:
        if self._is_after_blank or _HEADING.match(text) or _RULE.fullmatch(text):
            present = len(self._open)
            while self._open and indent < self._open[-1].content:
                self._open.pop()
            if len(self._open) < present and not self._is_after_blank:
                self.lines.append("")
        self._has_blocks = self._has_blocks or (self._is_after_blank and bool(self._open))
        beyond = max(indent - self._open[-1].content, 0) if self._open else indent
        self.lines.append(f"{' ' * (4 * len(self._open) + beyond)}{text}")
