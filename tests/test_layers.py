"""Imports point one way, and the console commands stay light."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hvqcgic"

# The rooms of the package from the bottom up, then the entry points. A part may import itself and the parts of lines
# above its own. So `models` and `entropy` do not know of each other, and only programs on top of `training` import it.
ORDER = (
    {"errors"},
    {"bitstream", "extras", "pages", "parallel", "schema"},
    {"files"},
    {"pictures"},
    {"index_priors"},
    {"models", "entropy"},
    {"model_files"},
    {"coder"},
    {"perceptual"},
    {"rate_control"},
    {"codec"},
    {"__init__"},
    {"pillow"},
    {"explore"},
    {"cli"},
    {"__main__"},
    {"training", "evaluation"},
    {"sweep", "scale"},
    {"train", "evaluate", "export", "demo", "compressai"},
)
RANK = {part: rank for rank, parts in enumerate(ORDER) for part in parts}
ENTRY_POINTS = {"__init__", "__main__", "errors", "train", "export", "evaluate", "demo", "pillow", "compressai"}
ROOMS = set(RANK) - ENTRY_POINTS
OF_THE_PACKAGE = {
    "load": "codec",
    "Codec": "codec",
    "BitstreamError": "errors",
    "lazy_exports": "errors",
    "__version__": "errors",
}
NOT_FOR_COMMANDS = {"lightning", "pytorch_lightning", "optuna", "compressai", "matplotlib"}
PYTORCHS_COMPILER = "torch._dynamo"
"""Takes longer to import than all else that a command needs."""


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Full names of all that a file imports, lazily or not: `a.b` and `a.b.c` for `from a.b import c`."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found.update([origin, *(f"{origin}.{alias.name}" for alias in node.names)])
    return frozenset(found)


def parts_imported(path: Path) -> Iterator[str]:
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "hvqcgic" and rest:
            part = rest.split(".")[0]
            yield OF_THE_PACKAGE.get(part, part)


def outside_imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)} - {"hvqcgic"}


def with_parents(names: Iterable[str]) -> set[str]:
    """Names and the packages that hold them, which Python imports first."""
    return {".".join(parts[: i + 1]) for parts in (name.split(".") for name in names) for i in range(len(parts))}


def reachable(start: Path) -> set[Path]:
    """All files of the package that a file can come to import, lazily or not."""
    by_name = {module_of(path): path for path in sources()}
    seen: set[Path] = set()
    todo = [start]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += [by_name[name] for name in with_parents(imports(path)) if name in by_name]
    return seen


def modules_loaded(*arguments: str) -> set[str]:
    """Names of all modules that a Python run imports; the run has to succeed."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    lines = run.stderr.splitlines()
    assert run.returncode == 0, "\n".join(line for line in lines if not line.startswith("import time:"))
    return {line.split("|")[2].strip() for line in lines if line.startswith("import time:") and line.count("|") == 2}


def test_every_part_has_its_place() -> None:
    new = {part_of(path) for path in sources()} - RANK.keys()
    assert not new, f"{sorted(new)}: new parts of the package; give each its place in ORDER"


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {other}, which is not below {part}"
        for path in sources()
        for part in [part_of(path)]
        for other in sorted(set(parts_imported(path)) - {part})
        if RANK.get(other, -1) >= RANK[part]
    ]
    assert not wrong, "\n".join(wrong)


def test_every_module_lives_in_a_room() -> None:
    inside = {path.stem for path in PACKAGE.glob("*.py")}
    assert inside == ENTRY_POINTS
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == ROOMS


def type_checking_imports(path: Path) -> dict[str, list[str]]:
    """Names that a room's __init__ imports for type checkers alone, by module; each under its own name."""
    found: dict[str, list[str]] = {}
    for node in parse(path).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                assert isinstance(line, ast.ImportFrom)
                assert all(alias.asname == alias.name for alias in line.names)
                module = (line.module or "").removeprefix(f"hvqcgic.{path.parent.name}.")
                found.setdefault(module, []).extend(alias.name for alias in line.names)
    return found


def lazy_exports_of(path: Path) -> dict[str, list[str]]:
    """What it gives at run time: the second argument of `lazy_exports`."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_exports":
            return ast.literal_eval(node.args[1])
    return {}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_says_what_it_is_and_gives_what_it_says(room: str) -> None:
    path = PACKAGE / room / "__init__.py"
    said = ast.get_docstring(parse(path)) or ""
    assert all(word in said for word in ("In: ", "Out: ", "May import: "))
    assert len(said.splitlines()) <= 5
    names, given = type_checking_imports(path), lazy_exports_of(path)
    assert {key: sorted(value) for key, value in names.items()} == {key: sorted(value) for key, value in given.items()}
    module = importlib.import_module(f"hvqcgic.{room}")
    for name in (name for values in given.values() for name in values):
        assert getattr(module, name) is not None
        # A submodule of that name would take its place as soon as it is imported.
        assert not (path.parent / f"{name}.py").exists()


def test_others_import_from_the_room() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: from {line.module} import {', '.join(alias.name for alias in line.names)}"
        for path in sources()
        for line in ast.walk(parse(path))
        if isinstance(line, ast.ImportFrom) and (line.module or "").count(".") > 1
        if (line.module or "").startswith("hvqcgic.") and (line.module or "").split(".")[1] != part_of(path)
    ]
    assert not wrong, "\n".join(wrong)


def test_bitstream_is_the_standard_library_alone() -> None:
    own = set(sys.stdlib_module_names)
    foreign = {
        str(path.relative_to(ROOT)): found
        for path in (PACKAGE / "bitstream").rglob("*.py")
        if (found := sorted(outside_imported(path) - own))
    }
    assert not foreign


def test_no_command_can_reach_what_only_training_needs() -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in reachable(PACKAGE / "cli/console.py")
        for name in outside_imported(path) & NOT_FOR_COMMANDS
    }
    assert not wrong


def test_relative_imports_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "hvqcgic"
    (package / "models").mkdir(parents=True)
    file = package / "models" / "quantiser.py"
    file.write_text("def f():\n    from ..entropy import coder\n", encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", package)
    assert set(parts_imported(file)) == {"entropy"}


def test_importing_the_package_does_not_import_torch() -> None:
    loaded = modules_loaded("-c", "import hvqcgic")
    assert "hvqcgic" in loaded
    assert not loaded & {"torch", "numpy", "PIL"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["compress", "--help"], ["compare", "--help"], ["explore", "--help"]],
    ids=" ".join,
)
def test_help_does_not_import_torch(arguments: list[str]) -> None:
    loaded = modules_loaded("-m", "hvqcgic", *arguments)
    assert "hvqcgic.cli" in loaded
    assert not loaded & ({"torch", "numpy"} | NOT_FOR_COMMANDS)


@pytest.mark.parametrize("json_flag", [[], ["--json"]], ids=["text", "json"])
def test_info_does_not_import_torch(tmp_path: Path, json_flag: list[str]) -> None:
    from hvqcgic.bitstream import Header, pack

    file = tmp_path / "picture.hvq"
    header = Header(version=1, fingerprint=bytes(8), mode="adaptive", width=64, height=48, n_coarse=6, n_medium=10)
    file.write_bytes(pack(header, [b"indices"]))
    loaded = modules_loaded("-m", "hvqcgic", "info", str(file), *json_flag)
    assert "hvqcgic.bitstream.container" in loaded
    assert not loaded & ({"torch"} | NOT_FOR_COMMANDS)


def test_opening_a_stream_in_pillow_does_not_import_torch(tmp_path: Path) -> None:
    from hvqcgic.bitstream import Header, pack

    file = tmp_path / "picture.hvq"
    file.write_bytes(pack(Header(bytes(8), "adaptive", 64, 48, 6, 10), [b"indices"]))
    loaded = modules_loaded("-c", f"import hvqcgic.pillow; from PIL import Image; Image.open({str(file)!r}).close()")
    assert "hvqcgic.pillow" in loaded
    assert not loaded & ({"torch"} | NOT_FOR_COMMANDS)


def test_coding_a_picture_does_not_import_what_only_training_needs(tmp_path: Path) -> None:
    from PIL import Image

    picture, coded = tmp_path / "picture.png", tmp_path / "picture.hvq"
    Image.new("RGB", (40, 24), (90, 120, 60)).save(picture)
    commands = [
        ["compress", str(picture), "-o", str(coded), "--model", "tiny"],
        ["decompress", str(coded), "-o", str(tmp_path / "again.png")],
        ["compare", str(picture), "--model", "tiny", "--json"],
    ]
    # In one process: what none of them imports is not there after all of them.
    program = f"from hvqcgic.cli import main\nfor words in {commands!r}:\n    assert main(words) == 0"
    loaded = modules_loaded("-c", program)
    assert {"torch", "hvqcgic.cli.compare"} <= loaded
    assert not {name.split(".")[0] for name in loaded} & NOT_FOR_COMMANDS
    assert not loaded & {PYTORCHS_COMPILER, "torchvision", "scipy"}
