"""A piece of syntax in; the names, modules and texts that it refers to out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.imports import Import

_DYNAMIC = {"globals", "locals", "vars", "eval", "exec", "getmodule", "attrgetter", "modules"}
_DYNAMIC_ATTRIBUTES = {"getfixturevalue", "__dict__", "getmodule", "attrgetter", "modules"}
_IMPORTERS = {"import_module", "importorskip", "__import__"}


@dataclass(slots=True)
class References:
    """What some pieces of syntax refer to."""

    uses: set[str] = field(default_factory=set)
    """Names and attributes."""
    asks: set[str] = field(default_factory=set)
    """Names of arguments, by which pytest gives fixtures, and texts that could be names."""
    imports: list[Import] = field(default_factory=list)
    dynamic: bool = False
    """Whether they may reach names that do not stand in them."""

    def take(self, tree: ast.AST) -> None:
        """Add what a piece refers to; names that an assignment itself makes are no references."""
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=name):
                    self.uses.add(name)
                    self.dynamic |= name in _DYNAMIC
                case ast.Attribute(attr=name):
                    self.uses.add(name)
                    self.dynamic |= name in _DYNAMIC_ATTRIBUTES
                case ast.arg(arg=name):
                    self.asks.add(name)
                case ast.Constant(value=str(name)) if name.isidentifier():
                    self.asks.add(name)
                case ast.Import() | ast.ImportFrom() | ast.Call() | ast.Assign():
                    self.imports.extend(_imports(node))
                    self.dynamic |= isinstance(node, ast.Call) and _by_a_made_name(node)
        if isinstance(tree, ast.Assign | ast.AnnAssign):
            stored = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
            self.uses -= {node.id for node in stored}


def _imports(node: ast.Import | ast.ImportFrom | ast.Call | ast.Assign) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            yield from (Import(name.name) for name in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            yield from (Import(module or "", "" if n.name == "*" else n.name, level) for n in names)
        case ast.Call(func=called, args=args):
            # Whatever the function is called here: `im("pkg.module")`, `resolve_name("pkg.module:name")`.
            likely = getattr(called, "attr", getattr(called, "id", "")) in _IMPORTERS
            for argument in args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield from _named(argument.value, likely=likely and argument is args[0])
        case ast.Assign(targets=[ast.Name(id="pytest_plugins")], value=value):
            for inner in ast.walk(value):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield from _named(inner.value)


def _by_a_made_name(call: ast.Call) -> bool:
    """Return whether a call gets an attribute whose name does not stand there."""
    match call:
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(), *_]):
            return False
        case ast.Call(func=ast.Name(id="getattr")):
            return True
    return False


def _named(text: str, *, likely: bool = True) -> Iterator[Import]:
    name = text.partition(":")[0].lstrip(".")
    if all(part.isidentifier() for part in name.split(".")):
        yield Import(name, level=len(text) - len(text.lstrip(".")), likely=likely)


def aliases(tree: ast.Module) -> dict[str, str]:
    """Return what the names imported at the top of a file stand for, dotted."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            tops = {a.name.partition(".")[0] for a in node.names if not a.asname}
            found |= {top: top for top in tops} | {a.asname: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def dotted(node: ast.expr, known: Mapping[str, str]) -> str:
    """Return the dotted name of an expression or of what it calls; without a beginning if that is not known.

    known: what names stand for, as of `aliases`.
    """
    if isinstance(node, ast.Call):
        return dotted(node.func, known)
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, known)}.{node.attr}"
    return known.get(node.id, "") if isinstance(node, ast.Name) else ""
