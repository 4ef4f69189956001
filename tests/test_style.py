"""What no linter here checks of the project's style: sizes, docstrings, few positional arguments."""

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "hvqcgic").rglob("*.py"), *(ROOT / "tools").glob("*.py")])
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40  # without the docstring
MAX_POSITIONAL = 5  # without self or cls
LIBRARY_SIGNATURES = re.compile(r"on_\w+|_show_warning")  # Lightning's hooks, warnings.showwarning: not ours to choose

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Lines from `def` to the end, less those of the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def n_positional(function: Function) -> int:
    names = [argument.arg for argument in function.args.posonlyargs + function.args.args]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def is_public(name: str) -> bool:
    return not name.startswith("_")


def undocumented(tree: ast.Module) -> list[str]:
    """Public functions, classes and public methods that have no docstring; functions inside functions are private."""
    missing: list[str] = [] if ast.get_docstring(tree) else ["the module"]
    todo: list[tuple[str, ast.stmt]] = [("", node) for node in tree.body]
    while todo:
        prefix, node = todo.pop()
        if not isinstance(node, Function | ast.ClassDef) or not is_public(node.name):
            continue
        if ast.get_docstring(node) is None and not is_overload(node):
            missing.append(f"{prefix}{node.name}")
        if isinstance(node, ast.ClassDef):
            todo += [(f"{prefix}{node.name}.", inner) for inner in node.body]
    return missing


def is_overload(node: Function | ast.ClassDef) -> bool:
    """Whether a decorator says that the docstring stands elsewhere: overloads, setters of properties, overrides."""
    names = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
    return bool(names & {"overload", "setter", "override"})


def wrong(look: Callable[[Path], object]) -> str:
    """A line for each file of which `look` gives something."""
    found = ((path.relative_to(ROOT), look(path)) for path in FILES)
    return "\n".join(f"{path}: {what}" for path, what in found if what)


def test_files_are_short() -> None:
    def lines(path: Path) -> int:
        count = len(path.read_text(encoding="utf-8").splitlines())
        return count if count > MAX_FILE_LINES else 0

    assert not (found := wrong(lines)), f"more than {MAX_FILE_LINES} lines:\n{found}"


def test_functions_are_short() -> None:
    def long(path: Path) -> dict[str, int]:
        return {f.name: length(f) for f in functions(parse(path)) if length(f) > MAX_FUNCTION_LINES}

    assert not (found := wrong(long)), f"longer than {MAX_FUNCTION_LINES} lines:\n{found}"


def test_functions_take_few_positional_arguments() -> None:
    def many(path: Path) -> dict[str, int]:
        own = [f for f in functions(parse(path)) if not LIBRARY_SIGNATURES.fullmatch(f.name)]
        return {f.name: n_positional(f) for f in own if n_positional(f) > MAX_POSITIONAL}

    assert not (found := wrong(many)), f"more than {MAX_POSITIONAL} positional arguments:\n{found}"


def test_public_names_have_docstrings() -> None:
    assert not (found := wrong(lambda path: undocumented(parse(path)))), f"no docstring:\n{found}"


def test_the_checks_see_what_they_look_for() -> None:
    body = "\n".join(f"    a{i} = {i}" for i in range(MAX_FUNCTION_LINES))
    source = f'def f(a, b, c, d, e, g):\n    """Two\n    lines."""\n{body}\n\nclass C:\n    def m(self, a): ...\n'
    tree = ast.parse(source)
    assert [length(f) for f in functions(tree)] == [MAX_FUNCTION_LINES + 1, 1]
    assert [n_positional(f) for f in functions(tree)] == [MAX_POSITIONAL + 1, 1]
    assert sorted(undocumented(tree)) == ["C", "C.m", "the module"]
