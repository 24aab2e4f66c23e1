"""`python -m patera.cli` is the `patera` program."""

from ._program import main

main(prog_name="patera")
