import pytest

from app.models.user_model import User
from app.users import UserData, add_user
from patera.testing import PateraTestClient

LOGIN = {"email": "ada@example.org", "password": "analytical engine"}


@pytest.fixture
async def ada(client: PateraTestClient) -> User:
    return await add_user(UserData(fullname="Ada Lovelace", **LOGIN))


@pytest.mark.usefixtures("ada")
async def test_token_logs_a_program_in_and_its_successor_too(client: PateraTestClient) -> None:
    tokens = (await client.post("/api/v1/auth/token", json=LOGIN)).json()
    assert (await _author_of_new_post(client, tokens["access_token"])) == "Ada Lovelace"
    refreshed = await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert (await _author_of_new_post(client, refreshed.json()["access_token"])) == "Ada Lovelace"


@pytest.mark.usefixtures("ada")
async def test_access_token_does_not_refresh_and_refresh_token_gives_no_access(client: PateraTestClient) -> None:
    tokens = (await client.post("/api/v1/auth/token", json=LOGIN)).json()
    refreshed = await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["access_token"]})
    assert (refreshed.status_code, refreshed.json()["message"]) == (401, "The refresh token is not valid")
    headers = {"authorization": f"Bearer {tokens['refresh_token']}"}
    response = await client.post("/api/v1/posts", json={"title": "Tea", "text": "..."}, headers=headers)
    assert response.status_code == 401


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"email": "eve@example.org"}])
async def test_wrong_password_and_unknown_user_get_the_same_answer(
    client: PateraTestClient, wrong: dict[str, str]
) -> None:
    response = await client.post("/api/v1/auth/token", json=LOGIN | wrong)
    assert (response.status_code, response.json()["message"]) == (401, "Wrong e-mail or password")


async def _author_of_new_post(client: PateraTestClient, token: str) -> str:
    headers = {"authorization": f"Bearer {token}"}
    created = await client.post("/api/v1/posts", json={"title": "Tea", "text": "..."}, headers=headers)
    author: str = created.json()["author"]
    return author
