"""Text in; lines of at most 80 characters, with their colours, out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

WIDTH = 80
NAME = 28
"""Columns of a name before what belongs to it goes to the next line."""
SHOWN = 5
"""Broken expectations of a contract, and reasons why trials failed, that are listed."""
_LONGEST = 400
"""Characters of a value or a reason; the whole text stands above, in pytest's own part."""

RED, GREEN, YELLOW = {"red": True}, {"green": True}, {"yellow": True}


@dataclass(frozen=True, slots=True)
class Line:
    """One line and how a terminal with colours shows it."""

    text: str
    markup: Mapping[str, bool] = field(default_factory=dict)


def sentence(text: str, markup: Mapping[str, bool]) -> list[Line]:
    """Return a sentence as lines of at most 80 characters."""
    return list(flow(text, "", 2, markup, keep=True))


def row(name: str, width: int, text: str, markup: Mapping[str, bool]) -> Iterator[Line]:
    """Yield a name and what stands beside it, or below it if the name is long."""
    if len(name) > width:
        yield from flow(name, "", 2, markup)
        name = ""
    yield from flow(text, f"{name:<{width}}  ", width + 4, markup, keep=True)


def listed(title: str, items: Iterable[str]) -> Iterator[Line]:
    """Yield items with commas between them; a line ends between two of them."""
    line = f"  {title}:"
    wanted = [cut(item, _LONGEST) for item in items]
    for i, item in enumerate(wanted):
        text = item + "," * (i < len(wanted) - 1)
        if len(line) + 1 + len(text) > WIDTH and line.strip():
            yield from _broken(line)
            line = "   "
        line += f" {text}"
    if wanted:
        yield from _broken(line)


def _broken(line: str) -> Iterator[Line]:
    indent = line[: len(line) - len(line.lstrip())]
    yield from flow(line.lstrip(), indent, len(indent) + 2, {})


def flow(
    text: str, start: str, indent: int, markup: Mapping[str, bool], *, keep: bool = False
) -> Iterator[Line]:
    """Yield text after `start`, further lines indented; `keep` leaves runs of spaces as they are."""
    line = _plain(text) if keep else cut(text, _LONGEST)
    if len(start) + len(line) <= WIDTH:
        yield Line((start + line).rstrip(), markup)
        return
    made = textwrap.wrap(
        line, WIDTH, initial_indent=start, subsequent_indent=" " * indent, break_on_hyphens=False
    )
    yield from (Line(part, markup) for part in made)


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def cut(text: str, width: int) -> str:
    """Return text in one printable line of at most `width` characters."""
    line = " ".join(_plain(text).split())
    return line if len(line) <= width else f"{line[: max(width - 1, 0)]}…"
