"""A file of the project in; its code in pieces, each with what it binds and refers to, out."""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.collection import EXPERIMENT, GATE
from harness.imports import Import
from harness.references import References, aliases, dotted

Kind = Literal["fixed", "helper", "import", "value", "asked", "loader"]
"""`fixed`: runs for everything in the file. `helper` (a function), `import` and `value` (a constant): is
there for who names it. `asked`: an experiment, a gate or a fixture. `loader`: of a data set."""

_FIXTURES = {"harness.features", "pytest.fixture"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement at the top of a file, or one experiment or gate of a class."""

    kind: Kind
    digest: bytes
    """Of the code, not of its layout, comments, docstrings and grids."""
    binds: frozenset[str]
    """Names that the statement gives a value."""
    uses: frozenset[str]
    """Names and attributes in its code."""
    asks: frozenset[str]
    """Names of arguments, by which pytest gives fixtures, and texts that could be names."""
    tries: frozenset[str]
    """Names in its grids."""
    imports: tuple[Import, ...]
    dynamic: bool
    """Whether it may reach names that do not stand in it."""

    @property
    def names(self) -> frozenset[str]:
        """All that it may refer to."""
        return self.uses | self.asks | self.tries


def pieces(source: bytes) -> tuple[Piece, ...]:
    """Return the pieces of a file in order; raise SyntaxError or ValueError if it is no Python."""
    with warnings.catch_warnings(action="ignore"):  # were told when the file was imported
        tree = ast.parse(source)
    if b"__doc__" not in source and b"getdoc" not in source:
        _drop_docstrings(tree)
    return tuple(_pieces(tree.body, aliases(tree), frozenset()))


def digest(found: Iterable[Piece]) -> str:
    """Return the digest of pieces in their order: 32 hex digits."""
    return hashlib.blake2b(b"".join(piece.digest for piece in found), digest_size=16).hexdigest()


def _drop_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):  # not that of a lambda
            body[:] = [s for s in body if not (isinstance(s, ast.Expr) and _is_text(s.value))]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _pieces(body: Sequence[ast.stmt], known: Mapping[str, str], outer: frozenset[str]) -> Iterator[Piece]:
    """Yield pieces; known: what imported names stand for; outer: names of the classes around them."""
    for statement in body:
        if isinstance(statement, ast.ClassDef) and _is_item(statement):
            inner = [s for s in statement.body if isinstance(s, _Function | ast.ClassDef) and _is_item(s)]
            yield from _pieces(inner, known, outer | {statement.name})
            statement.body = [s for s in statement.body if s not in inner]
        yield _piece(statement, known, outer)


def _is_item(node: _Function | ast.ClassDef) -> bool:
    start = ("Experiment", "Gate") if isinstance(node, ast.ClassDef) else (EXPERIMENT, GATE)
    return node.name.startswith(start)


def _piece(statement: ast.stmt, known: Mapping[str, str], outer: frozenset[str]) -> Piece:
    kind, binds = _kind(statement, known)
    tried, own = References(), References()
    for grid in _take_grids(statement, known):
        tried.take(grid)
        for node in ast.walk(grid):
            if isinstance(node, ast.Lambda):  # the parameter is its code; what its names stand for is not
                own.take(node)
    own.take(statement)
    return Piece(
        kind=kind,
        digest=hashlib.blake2b(ast.dump(statement).encode("utf-8", "replace"), digest_size=16).digest(),
        binds=frozenset(binds),
        uses=frozenset(own.uses | outer),
        asks=frozenset(own.asks | tried.asks),
        tries=frozenset(tried.uses),
        imports=(*own.imports, *tried.imports),
        dynamic=own.dynamic or tried.dynamic,
    )


def _kind(statement: ast.stmt, known: Mapping[str, str]) -> tuple[Kind, set[str]]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            if _is_item(statement):
                return "asked", {statement.name}
            return _kind_of_function(statement, known)
        case ast.ClassDef():
            return ("asked" if _is_item(statement) else "fixed"), {statement.name}
        case ast.Import():
            return "import", {(a.asname or a.name).partition(".")[0] for a in statement.names}
        case ast.ImportFrom():
            names = {a.asname or a.name for a in statement.names}
            return ("fixed" if "*" in names or statement.module == "__future__" else "import"), names
        case ast.Assign() | ast.AnnAssign() if statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = {node.id for t in targets for node in ast.walk(t) if isinstance(node, ast.Name)}
            return ("value" if _is_value(targets, statement.value, names) else "fixed"), names
    return "fixed", set()


def _kind_of_function(function: _Function, known: Mapping[str, str]) -> tuple[Kind, set[str]]:
    binds = {function.name}
    if not function.decorator_list:
        return "helper", binds
    decorator, *others = function.decorator_list
    called = dotted(decorator, known)
    if not others and called == "harness.dataset":
        return "loader", binds
    if not others and called in _FIXTURES:
        options = {k.arg: k.value for k in decorator.keywords} if isinstance(decorator, ast.Call) else {}
        name = options.get("name")
        if isinstance(name, ast.Constant):
            binds.add(str(name.value))
        if (name is None or isinstance(name, ast.Constant)) and not {"autouse", None} & options.keys():
            return "asked", binds
    return "fixed", binds  # a decorator may keep the function in a list of its own


def _is_value(targets: Sequence[ast.expr], value: ast.expr, names: set[str]) -> bool:
    """Return whether an assignment does nothing but to name a value."""
    leaves = ast.Name | ast.Tuple | ast.expr_context
    plain = all(isinstance(node, leaves) for target in targets for node in ast.walk(target))
    read = any(name.startswith(("pytest", "__", "collect_ignore")) for name in names)  # by pytest or Python
    acting = ast.Call | ast.Await | ast.NamedExpr
    return plain and not read and not any(isinstance(node, acting) for node in ast.walk(value))


def _take_grids(statement: ast.stmt, known: Mapping[str, str]) -> list[ast.expr]:
    """Take away from the decorators what the parameters of a trial tell, and return it."""
    if not isinstance(statement, _Function | ast.ClassDef):
        return []
    taken: list[ast.expr] = []
    for decorator in list(statement.decorator_list):
        name = dotted(decorator, known)
        if name == "harness.grid" or (name == "pytest.mark.parametrize" and _gives_values(decorator)):
            statement.decorator_list.remove(decorator)
            taken.append(decorator)
        elif name == "harness.search" and isinstance(decorator, ast.Call):
            more = [k for k in decorator.keywords if k.arg == "trials"]  # changes none of those there are
            decorator.keywords = [k for k in decorator.keywords if k not in more]
            taken.extend(k.value for k in more)
    return taken


def _gives_values(decorator: ast.expr) -> bool:
    """Return whether `parametrize` gives values and nothing else, such as marks."""
    if not isinstance(decorator, ast.Call) or any(k.arg != "ids" for k in decorator.keywords):
        return False
    return not any("param" in (getattr(n, "attr", ""), getattr(n, "id", "")) for n in ast.walk(decorator))
