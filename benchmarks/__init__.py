"""Patera beside raw ASGI and Starlette: `python -m benchmarks inprocess`."""
