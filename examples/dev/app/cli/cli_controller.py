"""Commands: `python cli.py list-users`, `python cli.py add-user "Ada Lovelace" ada@example.org`."""

from app.demo import add_demo_content
from app.extensions import blog
from app.storage.blog_store import EmailTaken
from patera.cli import CLIController, argument, command


class BlogCLIController(CLIController):
    """Looks after the blog's users."""

    @command("list-users", help="Show all users.")
    async def list_users(self) -> None:
        """Print one line for each user."""
        for user in await blog.store.list_users():
            print(f"{user.id:>4}  {user.fullname} <{user.email}>")

    @command("add-user", help="Add a user.")
    @argument("fullname", arg_type=str, description="The user's name.")
    @argument("email", arg_type=str, description="The user's address.")
    async def add_user(self, fullname: str, email: str) -> None:
        """Add one user; a taken address ends the command with an error."""
        try:
            user = await blog.store.add_user(fullname, email)
        except EmailTaken:
            raise SystemExit(f"{email} is in use") from None
        print(f"Added user {user.id}.")

    @command("add-demo-content", help="Fill an empty blog.")
    async def fill(self) -> None:
        """Add what a new blog shows in DEBUG."""
        await add_demo_content(blog.store)
