"""Modules import downwards only; the table says which layer each one belongs to."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import patera

PACKAGE = Path(patera.__file__).parent

EXTENSIONS = set(
    "admin ai_interface auth caching csrf database email health rate_limit security sessions state_machine "
    "task_manager".split()
)
#: A name that ends in `_` stands for all names that begin so; the longest fitting name counts.
LAYERS = [
    set("http _types _validation concurrency _context _endpoint exceptions exception _imports _aliases".split()),
    set("config _config_ logging _log_ layer _layers controller parameters extension secret_key signing cli".split()),
    set(
        "request response middleware uploads _body _cookies _files _forms _headers _json _sockets _streams "
        "_values".split()
    ),
    set(
        "_browser_context _compiler _static _templating _template_code _template_files _sandbox openapi inspect "
        "routing cli._commands cli._parse cli._run".split()
    ),
    set("application _loading _hooks _lifecycle __init__".split()),
    set("testing _lifespan_session _websocket_session _bench cli._".split()),
    EXTENSIONS,
]
TESTING = {"testing", "_lifespan_session", "_websocket_session"}
EXTENSION_IMPORTS = {
    "admin": {"auth", "database", "email", "task_manager"},
    "ai_interface": {"database"},
    "state_machine": {"database"},
    "auth": {"csrf", "sessions"},
    "csrf": {"sessions"},
    "sessions": {"caching"},
    "email": {"task_manager"},
}
STARLETTE_LAYERS = {2, 3, 4}


class Import(NamedTuple):
    """`module` imports `target`; a `target` of the package has no `patera.` in front."""

    module: str
    target: str
    line: int
    in_function: bool
    is_own: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def test_module_of_package_is_in_table() -> None:
    assert [module for module in MODULES if layer(module) is None] == []


def test_import_of_higher_layer_is_refused() -> None:
    assert refused(own for own in OWN if (layer(own.target) or 0) > (layer(own.module) or 0)) == []


def test_import_cycle_is_refused() -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for own in OWN:
        graph[own.module].add(own.target)
    assert set(TopologicalSorter(graph).static_order()) == MODULES


def test_import_of_private_module_by_extension_is_refused() -> None:
    outside = [own for own in OWN if top(own.module) in EXTENSIONS and top(own.module) != top(own.target)]
    assert refused(own for own in outside if "._" in f".{own.target}" and own.target != "_imports") == []


def test_import_of_extension_by_another_is_refused_unless_listed() -> None:
    between = [own for own in OWN if {top(own.module), top(own.target)} <= EXTENSIONS]
    allowed = {(one, other) for one, others in EXTENSION_IMPORTS.items() for other in {one, *others}}
    allowed |= {(name, name) for name in EXTENSIONS}
    assert refused(own for own in between if (top(own.module), top(own.target)) not in allowed) == []


def test_import_of_starlette_outside_its_layers_is_refused() -> None:
    starlette = [each for each in IMPORTS if top(each.target) == "starlette" and each.module not in TESTING]
    assert refused(each for each in starlette if layer(each.module) not in STARLETTE_LAYERS) == []


def test_import_of_own_package_inside_function_is_refused() -> None:
    assert refused(each for each in IMPORTS if each.is_own and each.in_function) == []


def refused(imports: Iterator[Import]) -> list[str]:
    return [str(each) for each in imports]


def top(module: str) -> str:
    return module.split(".")[0]


def layer(module: str) -> int | None:
    fitting = [
        (len(name), number)
        for number, names in enumerate(LAYERS)
        for name in names
        if name == module or module.startswith(name if name.endswith("_") else f"{name}.")
    ]
    return max(fitting)[1] if fitting else None


def name_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "__init__"


def imports_of(file: Path) -> Iterator[Import]:
    """Every import of a file but those that only the type checker sees."""
    module = name_of(file)
    package = ["patera", *file.relative_to(PACKAGE).parent.parts]

    def visit(node: ast.AST, in_function: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in targets(node, package):
                yield Import(module, inside_package(target), node.lineno, in_function, is_own(target))
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(ast.parse(file.read_text()), False)


def is_own(target: str) -> bool:
    return top(target) == "patera"


def inside_package(target: str) -> str:
    return "__init__" if target == "patera" else target.removeprefix("patera.")


def targets(node: ast.Import | ast.ImportFrom, package: list[str]) -> Iterator[str]:
    """The absolute modules of an import statement; `from . import http` names `patera.http`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = package[: len(package) - node.level + 1] if node.level else []
    start = ".".join([*base, *([node.module] if node.module else [])])
    for alias in node.names:
        inner = f"{start}.{alias.name}"
        yield inner if inside_package(inner) in MODULES else start


FILES = sorted(file for file in PACKAGE.rglob("*.py") if "templates" not in file.parts)
MODULES = {name_of(file) for file in FILES}
IMPORTS = [each for file in FILES for each in imports_of(file)]
OWN = [each for each in IMPORTS if each.is_own and not each.in_function]
