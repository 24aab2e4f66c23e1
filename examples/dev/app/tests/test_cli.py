from app.storage.blog_store import User
from patera.testing import PateraTestClient


async def test_added_user_is_listed(client: PateraTestClient) -> None:
    added = await client.cli("add-user", "Ada Lovelace", email="ada@example.org")
    assert (added.exit_code, added.output) == (0, "Added user 1.\n")
    assert (await client.cli("list-users")).output == "   1  Ada Lovelace <ada@example.org>\n"


async def test_taken_address_ends_the_command(client: PateraTestClient, user: User) -> None:
    result = await client.cli("add-user", "Eve", user.email)
    assert (result.exit_code, result.errors) == (1, "ada@example.org is in use\n")
