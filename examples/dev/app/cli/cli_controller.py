"""Commands: `python cli.py list-users`, `python cli.py add-user "Ada Lovelace" ada@example.org --role admin`."""

import secrets

from pydantic import ValidationError

from app.authentication import auth
from app.demo import fill_if_empty
from app.exceptions.custom_exceptions import EmailInUse
from app.extensions import db
from app.models.user_model import Role, User
from app.users import UserData, add_user
from patera.cli import CLIController, argument, command
from patera.database.sql import AsyncSession


class BlogCLIController(CLIController):
    """Looks after the blog's users."""

    @command("list-users", help="Show all users.")
    @db.readonly_session
    async def list_users(self, session: AsyncSession) -> None:
        """Print one line for each user."""
        for user in await User.query(session).order_by(User.id).all():
            print(f"{user.id:>4}  {user.fullname} <{user.email}> {user.role}")

    @command("add-user", help="Add a user.")
    @argument("fullname", arg_type=str, description="The user's name.")
    @argument("email", arg_type=str, description="The user's address.")
    @argument("role", arg_type=str, description="author or admin.")
    @argument("password", arg_type=str, description="The password; without one, a random one is made and shown.")
    async def add_user(self, fullname: str, email: str, role: str = "author", password: str = "") -> None:
        """Add one user; what does not fit, and a taken address, end the command with an error."""
        chosen = password or secrets.token_urlsafe(12)
        try:
            data = UserData(fullname=fullname, email=email, password=chosen)
            user = await add_user(data, Role(role))
        except ValidationError as error:
            raise SystemExit("; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())) from None
        except (ValueError, EmailInUse) as error:
            raise SystemExit(str(error)) from None
        print(f"Added user {user.id}." if password else f"Added user {user.id}, whose password is {chosen}")

    @command("set-password", help="Give a user a new random password.")
    @argument("email", arg_type=str, description="The user's address.")
    @db.managed_session
    async def set_password(self, email: str, session: AsyncSession) -> None:
        """Show the password once; only its hash is kept."""
        user = await User.query(session).filter_by(email=email.lower()).first()
        if user is None:
            raise SystemExit(f"No user has the address {email}")
        password = secrets.token_urlsafe(12)
        user.password_hash = await auth.acreate_password_hash(password)
        print(f"The password of {user.email} is {password}")

    @command("add-demo-content", help="Fill an empty blog.")
    async def fill(self) -> None:
        """Add what a new blog shows in DEBUG, with a password that nobody knows."""
        password = secrets.token_urlsafe(12)
        if not await fill_if_empty(password):
            raise SystemExit("The blog has users already")
        print(f"Log in as ada@example.org or grace@example.org with the password {password}")
