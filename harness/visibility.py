"""Pieces of the project's files in; those that count for one experiment out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from harness.pieces import Piece


def visible(files: Sequence[Sequence[Piece]], names: Collection[str]) -> list[list[Piece]]:
    """Return the pieces of each file that what is named can see.

    names: of the experiment, its class and the fixtures it is known to use.

    Other experiments, gates, fixtures and loaders are left out unless something that counts refers to
    them; helpers, constants and imports only if nothing but what is left out refers to them. Where
    names are made while the code runs, everything counts.
    """
    kept: set[int] = set()
    uses, asks, tries = set[str](), set(names), set[str]()
    pending = [piece for file in files for piece in file]
    roots = {id(piece) for file in files for piece in _roots(file, names)}
    while found := [p for p in pending if id(p) in roots or _is_needed(p, uses, asks, tries)]:
        if any(piece.dynamic for piece in found):
            return [list(file) for file in files]
        for piece in found:
            kept.add(id(piece))
            uses |= piece.uses
            asks |= piece.asks
            tries |= piece.tries
        pending = [piece for piece in pending if id(piece) not in kept]
    return [[piece for piece in file if id(piece) in kept] for file in files]


def _roots(file: Sequence[Piece], names: Collection[str]) -> Iterator[Piece]:
    used = Counter(name for piece in file for name in piece.names)
    for piece in file:
        match piece.kind:
            case "fixed":
                yield piece
            case "asked":
                if not piece.binds.isdisjoint(names):
                    yield piece
            case "helper" | "import" | "value":  # that nobody names: hooks, and imports for what they do
                if not any(used[name] > (name in piece.names) for name in piece.binds):
                    yield piece


def _is_needed(piece: Piece, uses: set[str], asks: set[str], tries: set[str]) -> bool:
    if not piece.binds.isdisjoint(uses):
        return True
    if piece.kind == "loader":  # the digest of its rows stands for it
        return False
    if not piece.binds.isdisjoint(asks):
        return True
    # A plain value that only a grid takes is among the parameters.
    plain = piece.kind == "value" and not piece.uses
    return not plain and not piece.binds.isdisjoint(tries)
