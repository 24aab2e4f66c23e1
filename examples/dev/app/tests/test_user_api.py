from app.models.user_model import Avatar, User
from app.tests.conftest import bearer
from patera.testing import PateraTestClient

PNG = b"\x89PNG\r\n\x1a\nrest"


async def test_users_are_listed_without_their_addresses(client: PateraTestClient, user: User) -> None:
    response = await client.get("/api/v1/users")
    assert response.json() == [{"id": user.id, "fullname": "Ada Lovelace", "has_avatar": False}]


async def test_created_user_can_be_read_where_the_answer_says(client: PateraTestClient) -> None:
    created = await client.post(
        "/api/v1/users", json={"fullname": "Grace", "email": "grace@example.org", "password": "a moth in the relay"}
    )
    assert created.status_code == 201
    assert (await client.get(created.headers["location"])).json() == created.json()


async def test_second_user_of_an_address_is_refused(client: PateraTestClient, user: User) -> None:
    response = await client.post(
        "/api/v1/users", json={"fullname": "Eve", "email": user.email.upper(), "password": "a moth in the relay"}
    )
    assert (response.status_code, response.json()["message"]) == (409, "ada@example.org is in use")


async def test_wrong_address_and_short_password_are_refused(client: PateraTestClient) -> None:
    response = await client.post("/api/v1/users", json={"fullname": "Eve", "email": "nowhere", "password": "short"})
    assert (response.status_code, list(response.json()["details"])) == (422, ["email", "password"])


async def test_unknown_user_is_not_found(client: PateraTestClient) -> None:
    response = await client.get("/api/v1/users/99")
    assert (response.status_code, response.json()["status"]) == (404, "error")


async def test_uploaded_avatar_is_shown(client: PateraTestClient, user: User) -> None:
    uploaded = await client.put(
        f"/api/v1/users/{user.id}/avatar", files={"picture": ("me.png", PNG)}, headers=bearer(user)
    )
    assert uploaded.status_code == 204
    shown = await client.get(f"/api/v1/users/{user.id}/avatar")
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")


async def test_avatar_that_is_no_png_is_refused(client: PateraTestClient, user: User) -> None:
    url = f"/api/v1/users/{user.id}/avatar"
    response = await client.put(url, files={"picture": ("me.png", b"<svg>")}, headers=bearer(user))
    assert response.status_code == 415
    assert await Avatar.query().get(user.id) is None


async def test_changes_are_refused_while_the_blog_is_read_only(client: PateraTestClient) -> None:
    with client.override(config={"READ_ONLY": True}):
        response = await client.post("/api/v1/users", json={"fullname": "Eve", "email": "eve@example.org"})
        assert (await client.get("/api/v1/users")).json() == []
    assert response.status_code == 503


async def test_avatar_is_not_replaced_by_another_user(client: PateraTestClient, user: User, stranger: User) -> None:
    url = f"/api/v1/users/{user.id}/avatar"
    response = await client.put(url, files={"picture": ("me.png", PNG)}, headers=bearer(stranger))
    assert response.status_code == 403


async def test_nobody_makes_himself_an_admin(client: PateraTestClient) -> None:
    data = {"fullname": "Eve", "email": "eve@example.org", "password": "let me in now", "role": "admin"}
    await client.post("/api/v1/users", json=data)
    assert [user.role for user in await User.query().all()] == ["author"]
