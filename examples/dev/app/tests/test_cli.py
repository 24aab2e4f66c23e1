from app.models.user_model import User
from app.tests.conftest import send_form
from patera.testing import PateraTestClient

PASSWORD = "analytical engine"


async def test_added_user_is_listed(client: PateraTestClient) -> None:
    added = await client.cli("add-user", "Ada Lovelace", email="ada@example.org", role="admin", password=PASSWORD)
    assert (added.exit_code, added.output) == (0, "Added user 1.\n")
    assert (await client.cli("list-users")).output == "   1  Ada Lovelace <ada@example.org> admin\n"


async def test_taken_address_ends_the_command(client: PateraTestClient, user: User) -> None:
    result = await client.cli("add-user", "Eve", user.email)
    assert (result.exit_code, result.errors) == (1, "ada@example.org is in use\n")


async def test_user_without_given_password_logs_in_with_the_one_that_is_shown(client: PateraTestClient) -> None:
    added = await client.cli("add-user", "Ada Lovelace", "ada@example.org")
    password = added.output.split()[-1]
    assert (await send_form(client, "/login", email="ada@example.org", password=password)).status_code == 303


async def test_unknown_role_ends_the_command(client: PateraTestClient) -> None:
    result = await client.cli("add-user", "Eve", "eve@example.org", role="boss")
    assert (result.exit_code, result.errors) == (1, "'boss' is not a valid Role\n")


async def test_short_password_ends_the_command(client: PateraTestClient) -> None:
    result = await client.cli("add-user", "Eve", "eve@example.org", password="short")
    assert (result.exit_code, result.errors) == (1, "password: String should have at least 8 characters\n")


async def test_demo_content_is_for_an_empty_blog(client: PateraTestClient) -> None:
    assert "with the password" in (await client.cli("add-demo-content")).output
    assert (await client.cli("add-demo-content")).errors == "The blog has users already\n"


async def test_user_logs_in_with_the_new_password(client: PateraTestClient, user: User) -> None:
    password = (await client.cli("set-password", user.email)).output.split()[-1]
    assert (await send_form(client, "/login", email=user.email, password=password)).status_code == 303


async def test_unknown_user_gets_no_password(client: PateraTestClient) -> None:
    assert (await client.cli("set-password", "eve@example.org")).errors == "No user has the address eve@example.org\n"
