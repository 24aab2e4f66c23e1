"""Runs the migrations of this folder; the `db-*` commands of the application execute it.

Keywords of Alembic's `context.configure()` may follow `context`, for example a function
`include_object=` that leaves out tables which other programs own.
"""

from alembic import context

from patera.database.sql.migrate import run_migrations

run_migrations(context)
