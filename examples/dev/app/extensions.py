"""The blog's database, its migrations and its live feed."""

from app.feed import LiveComments
from patera.database.sql import SqlDatabase
from patera.database.sql.migrate import Migrate

db = SqlDatabase()
migrate = Migrate(db)
live = LiveComments()
