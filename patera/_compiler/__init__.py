"""Turns recorded declarations into Starlette routes: once, at build."""
