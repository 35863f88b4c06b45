"""The Python API: signatures and docstrings of what ``horus_supervisor`` exports."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import horus_supervisor
from horus_supervisor import CurrentJob, LastAttempt, testing
from horus_supervisor.job.fields import TRAVELS
from horus_supervisor.lifecycle import JobState
from reference.words import prose

_HEAD = """
# Python

`from horus_supervisor import ...`, all of it typed. What a field of a job may be: TRAVELS.
"""

_TESTS = """
From `horus_supervisor.testing`; what they are for: [testing your jobs](../testing.md).
"""

Public = Callable[..., Any]


def page() -> str:
    """Make the page."""
    exported = [getattr(horus_supervisor, name) for name in horus_supervisor.__all__]
    public = [thing for thing in exported if isinstance(thing, type | FunctionType)]
    errors = [thing for thing in public if _is_error(thing)]
    jobs: list[Public] = [
        horus_supervisor.Job,
        horus_supervisor.current_job,
        CurrentJob,
        LastAttempt,
    ]
    others = [thing for thing in public if thing not in errors and thing not in jobs]
    states = ", ".join(f"`{state}`" for state in JobState)
    rooms = {
        "Jobs": [_one(thing) for thing in jobs],
        "Clients and runners": [f"A job's state is one of {states}.", *map(_one, others)],
        "Errors": [_one(thing) for thing in errors],
        "Tests": [_TESTS.strip(), *(_one(getattr(testing, name)) for name in testing.__all__)],
    }
    parts = [_HEAD.strip().replace("TRAVELS", TRAVELS)]
    for title, texts in rooms.items():
        parts += [f"## {title}", *texts]
    return "\n\n".join(parts)


def _is_error(thing: Public) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseException)


def _one(thing: Public) -> str:
    node = _node(thing)
    if isinstance(node, ast.ClassDef):
        assert isinstance(thing, type)
        return "\n\n".join(_class(thing, node))
    return f"### `{node.name}`\n\n{_function(node)}"


def _class(cls: type[Any], node: ast.ClassDef) -> Iterator[str]:
    yield f"### `{cls.__name__}`"
    bases = [base.__name__ for base in cls.__bases__ if base.__module__ != "abc"]
    if _is_error(cls):
        yield f"A kind of {' and '.join(f'`{base}`' for base in bases)}."
    if (init := _method(node, "__init__")) and cls is not CurrentJob:
        yield _code(_signature(init).replace("__init__", cls.__name__, 1))
    yield prose(cls.__doc__)
    fields = [f"- `{name}`: {words}" for name, words in _fields(node)]
    if fields:
        yield "\n".join(fields)
    for owner in cls.__mro__:
        if owner.__module__.startswith("horus_supervisor"):
            yield from _methods(cls, _node(owner), owner is cls)


def _methods(cls: type[Any], node: ast.AST, own: bool) -> Iterator[str]:
    assert isinstance(node, ast.ClassDef)
    for method in node.body:
        match method:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                hidden = name.startswith("_") or _is_error(cls) or _is_overload(method)
                if not hidden and (own or name not in vars(cls)):
                    yield f"#### `{cls.__name__}.{name}`\n\n{_function(method)}"


def _is_overload(method: Function) -> bool:
    return any(ast.unparse(one) == "overload" for one in method.decorator_list)


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Find annotated fields of a record, and the text below each."""
    bodies = [node.body]
    if (init := _method(node, "__init__")) is not None:
        bodies.append(init.body)
    for body in bodies:
        for at, line in enumerate(body):
            match line:
                case ast.AnnAssign(target=ast.Name(id=name), annotation=kind):
                    told = ast.unparse(kind)
                case ast.Assign(targets=[ast.Attribute(attr=name)]):
                    told = ""
                case _:
                    continue
            words = _text_below(body, at)
            if not name.startswith("_") and (told or words):
                yield name, " ".join(filter(None, [f"`{told}`." if told else "", words]))


def _text_below(body: list[ast.stmt], at: int) -> str:
    match body[at + 1 : at + 2]:
        case [ast.Expr(value=ast.Constant(value=str(text)))]:
            return " ".join(prose(text).split())
    return ""


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _method(node: ast.ClassDef, name: str) -> Function | None:
    found = (one for one in node.body if isinstance(one, Function) and one.name == name)
    return next(found, None)


def _function(node: Function) -> str:
    names = [ast.unparse(one) for one in node.decorator_list]
    text = prose(ast.get_docstring(node))
    if "property" in names or "cached_property" in names:
        assert node.returns
        return f"A property, `{ast.unparse(node.returns)}`. {text}"
    return f"{_code(_signature(node))}\n\n{text}".strip()


def _signature(node: Function) -> str:
    args = node.args
    args.args = [arg for arg in args.args if arg.arg not in ("self", "cls")]
    word = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    gives = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    each = list(_each(args))
    line = f"{word}{node.name}({', '.join(each)}){gives}"
    if len(line) <= 96:
        return line
    inside = ",\n".join(f"    {one}" for one in each)
    return f"{word}{node.name}(\n{inside},\n){gives}"


def _each(args: ast.arguments) -> Iterator[str]:
    """Write each parameter alone, with its default."""
    plain = [None] * (len(args.args) - len(args.defaults)) + list(args.defaults)
    for arg, default in zip(args.args, plain, strict=True):
        yield _with(arg, default)
    if args.vararg:
        yield f"*{ast.unparse(args.vararg)}"
    elif args.kwonlyargs:
        yield "*"
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield _with(arg, default)
    if args.kwarg:
        yield f"**{ast.unparse(args.kwarg)}"


def _with(arg: ast.arg, default: ast.expr | None) -> str:
    equals = " = " if arg.annotation else "="
    return ast.unparse(arg) + (f"{equals}{ast.unparse(default)}" if default else "")


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _node(thing: Any) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
