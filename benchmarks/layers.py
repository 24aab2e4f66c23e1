"""What a reader calls the parts of a request: the steps of `docs/life-of-a-request.md`, by module."""

LAYERS = {
    "application": "application",
    "routing": "_compiler.stack _compiler.dispatch _compiler.tables _compiler.routing _compiler.rules "
    "_compiler.converters",
    "entry": "_compiler.entry _compiler.hosts _compiler.proxies",
    "exchange": "_compiler.exchange",
    "edge": "_compiler.edge _compiler.security_headers _compiler.messages",
    "middleware": "middleware _compiler.build",
    "errors": "_compiler.errors exceptions",
    "pipeline": "_compiler.pipeline",
    "parameters": "_compiler.readers _compiler.binding _validation parameters",
    "body": "_body _forms uploads",
    "request": "request",
    "response": "response _headers _json _streams _files _compiler.shaping",
}
_BY_MODULE = {f"patera.{module}": layer for layer, modules in LAYERS.items() for module in modules.split()}


def layer_of(module: str) -> str:
    """Return the layer of a module of Patera; the module itself where the table does not name it."""
    return _BY_MODULE.get(module, module)


def modules() -> list[str]:
    """Return the modules that have a layer."""
    return list(_BY_MODULE)
