"""Small mistakes made on purpose: the mutants of one module, by `ast`.

What decides nothing is left alone: docstrings, annotations, imports, decorators, the words of an
error or of any f-string, and `strict=`, which only asserts.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_BINARY: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.FloorDiv),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr, ast.BitAnd),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}
#: Characters of a long statement that are kept on each side of the difference.
_CONTEXT = 40
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_ATTRIBUTES = {"min": "max", "max": "min", "first": "last", "last": "first"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake.

    Attributes:
        where: the function it is in, with its class; empty for the module's own statements.
        patchable: whether only the body of a function differs, so that no new import is needed.
        before: the statement's first line as it is.
        after: the same with the mistake.
        number: tells apart the same mistake in the same words at several places of a function.
        tree: the mistaken module.
    """

    where: str
    patchable: bool
    before: str
    after: str
    number: int
    tree: ast.Module

    @property
    def key(self) -> str:
        """Names the mutant whatever its line is."""
        again = f" #{self.number}" if self.number > 1 else ""
        return f"{self.where or '<module>'}: {self.before} -> {self.after}{again}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node hangs: a field of its parent, with an index if the field is a list."""

    parent: ast.AST
    field: str
    index: int | None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants(source: str) -> Iterator[Mutant]:
    """Go through all mutants of a module, each another program than all before it."""
    tree = ast.parse(source)
    known = {ast.dump(tree)}
    numbers: Counter[tuple[str, str, str]] = Counter()
    for node, place, statement, where, patchable in _nodes(tree):
        before = _line(statement)
        for changed in _changes(node, place, statement, tree):
            if not hasattr(changed, "lineno"):
                ast.fix_missing_locations(ast.copy_location(changed, node))
            place.put(changed)
            dumped = ast.dump(tree)
            if dumped not in known:
                known.add(dumped)
                now, after = _cut(before, _line(changed) if node is statement else _line(statement))
                numbers[where, now, after] += 1
                mistaken = ast.fix_missing_locations(copy.deepcopy(tree))
                yield Mutant(where, patchable, now, after, numbers[where, now, after], mistaken)
            place.put(node)


def _common(one: str, other: str) -> str:
    return one[
        : next(
            (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
        )
    ]


def _cut(before: str, after: str) -> tuple[str, str]:
    """Return two lines without what is far from where they differ."""
    same = _common(before, after)
    start = len(same) - _CONTEXT
    start = 0 if start <= 0 else same.rfind(" ", 0, start + 1) + 1
    one, other = before[start:], after[start:]
    tail = len(_common(one[::-1], other[::-1]))
    cut = max(0, min(tail, len(one), len(other)) - _CONTEXT)
    dots = ("... " if start else "", " ..." if cut else "")
    return tuple(f"{dots[0]}{x[: len(x) - cut]}{dots[1]}" for x in (one, other))  # type: ignore[return-value]


def _line(node: ast.AST) -> str:
    """Return a statement on one line, of a compound one its head."""
    text = ast.unparse(node)
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.If | ast.For | ast.While | ast.With | ast.Try):
        body = ast.unparse(node.body[0]).splitlines()[0]
        head = text.splitlines()
        kept = next((i for i, line in enumerate(head) if line.strip() == body.strip()), 1)
        text = " ".join(line.strip() for line in head[:kept])
    return " ".join(text.split())


def _nodes(tree: ast.Module) -> Iterator[tuple[ast.AST, _Place, ast.stmt, str, bool]]:
    """Go through what may be changed: node, place, its statement, its function, if in a body."""

    def walk(
        parent: ast.AST, statement: ast.stmt | None, where: tuple[str, ...], depth: int
    ) -> Iterator[tuple[ast.AST, _Place, ast.stmt, str, bool]]:
        for field, value in list(ast.iter_fields(parent)):
            if field in {"annotation", "returns", "decorator_list", "bases", "ctx"}:
                continue
            in_body = depth + (isinstance(parent, ast.FunctionDef) and field == "body")
            items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
            for index, node in items:
                if not isinstance(node, ast.AST) or _left_alone(node, parent, field, index):
                    continue
                own = node if isinstance(node, ast.stmt) else statement
                inside = where
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not in_body:
                    inside = (*where, node.name)
                if own is not None:
                    yield node, _Place(parent, field, index), own, ".".join(inside), in_body > 0
                yield from walk(node, own, inside, in_body)

    yield from walk(tree, None, (), 0)


def _left_alone(node: ast.AST, parent: ast.AST, field: str, index: int | None) -> bool:
    del field, index
    match node:
        case (
            ast.Import()
            | ast.ImportFrom()
            | ast.JoinedStr()
            | ast.ExceptHandler(body=[ast.Raise()])
            | ast.Expr(value=ast.Constant())  # a docstring, or `...`
            | ast.If(test=ast.Name(id="TYPE_CHECKING"))
            | ast.Assign(targets=[ast.Name(id="__all__" | "__slots__" | "Records" | "U64Array")])
            | ast.AnnAssign(annotation=ast.Name(id="TypeAlias"))
            | ast.keyword(arg="strict")
        ):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) if isinstance(parent, ast.Module) and name[0] != "_":
            return isinstance(node.value, ast.Subscript)  # an alias of a type
    # That an error is raised matters, and the statement itself is removed; its words don't.
    return isinstance(parent, ast.Raise) and isinstance(node, ast.expr)


def _changes(node: ast.AST, place: _Place, statement: ast.stmt, tree: ast.Module) -> Iterator[ast.AST]:
    match node:
        case ast.stmt():
            yield from _of_statement(node)
        case ast.expr():
            yield from _of_expression(node, place)
        case ast.comprehension(ifs=[_, *_]):
            for i in range(len(node.ifs)):
                yield ast.comprehension(
                    node.target, node.iter, node.ifs[:i] + node.ifs[i + 1 :], node.is_async
                )
    del statement, tree


def _of_statement(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Expr() | ast.Raise() | ast.Break() | ast.Delete() | ast.AugAssign() | ast.Return(value=None):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Pass()
            yield ast.Break()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
    match node:
        case ast.AugAssign():
            for operator in _BINARY.get(type(node.op), ()):
                yield ast.AugAssign(node.target, operator(), node.value)
            store = node.target
            yield ast.Assign([store], node.value)
        case ast.If():
            yield ast.If(ast.Constant(True), node.body, node.orelse)
            yield ast.If(ast.Constant(False), node.body, node.orelse)
        case ast.While():
            yield ast.While(ast.Constant(False), node.body, node.orelse)
        case ast.Return(value=ast.Compare() | ast.BoolOp() as value):
            yield ast.Return(ast.UnaryOp(ast.Not(), value))


def _of_expression(node: ast.expr, place: _Place) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - a table
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
            if value == 1:
                yield ast.Constant(0)
        case ast.Constant(value=float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str() as value):
            yield ast.Constant(value + "~")
        case ast.Constant(value=bytes() as value):
            yield ast.Constant(value + b"~")
        case ast.Compare():
            direct = place.field == "test" and isinstance(place.parent, ast.If)
            for i, op in enumerate(node.ops):
                for other in _COMPARE[type(op)][: 1 if direct and type(op) in _BOUNDARY else None]:
                    yield ast.Compare(
                        node.left, [*node.ops[:i], other(), *node.ops[i + 1 :]], node.comparators
                    )
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for i in range(len(node.values)):
                left = node.values[:i] + node.values[i + 1 :]
                yield left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.BinOp():
            for operator in _BINARY.get(type(node.op), ()):
                yield ast.BinOp(node.left, operator(), node.right)
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.Slice():
            if node.lower is not None:
                yield ast.Slice(None, node.upper, node.step)
            if node.upper is not None:
                yield ast.Slice(node.lower, None, node.step)
        case ast.Name(id=name) if name in _NAMES and isinstance(node.ctx, ast.Load):
            yield ast.Name(_NAMES[name], ast.Load())
        case ast.Attribute(attr=name) if name in _ATTRIBUTES and isinstance(node.ctx, ast.Load):
            yield ast.Attribute(node.value, _ATTRIBUTES[name], ast.Load())
        case ast.Call():
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[ast.AST]:
    args = node.args
    for i in range(len(args) - 1):
        swapped = [*args[:i], args[i + 1], args[i], *args[i + 2 :]]
        if isinstance(node.func, ast.Name) and node.func.id in {"min", "max"}:
            break  # the same
        yield ast.Call(node.func, swapped, node.keywords)
    if len(args) > 1:
        yield ast.Call(node.func, args[:-1], node.keywords)
    for i, keyword in enumerate(node.keywords):
        if keyword.arg != "strict":
            yield ast.Call(node.func, args, node.keywords[:i] + node.keywords[i + 1 :])


_BOUNDARY = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
