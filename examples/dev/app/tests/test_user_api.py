from app.extensions import blog
from app.storage.blog_store import User
from patera.testing import PateraTestClient

PNG = b"\x89PNG\r\n\x1a\nrest"


async def test_users_are_listed_without_their_addresses(client: PateraTestClient, user: User) -> None:
    response = await client.get("/api/v1/users")
    assert response.json() == [{"id": user.id, "fullname": "Ada Lovelace", "has_avatar": False}]


async def test_created_user_can_be_read_where_the_answer_says(client: PateraTestClient) -> None:
    created = await client.post("/api/v1/users", json={"fullname": "Grace", "email": "grace@example.org"})
    assert created.status_code == 201
    assert (await client.get(created.headers["location"])).json() == created.json()


async def test_second_user_of_an_address_is_refused(client: PateraTestClient, user: User) -> None:
    response = await client.post("/api/v1/users", json={"fullname": "Eve", "email": user.email})
    assert (response.status_code, response.json()["message"]) == (409, "ada@example.org is in use")


async def test_wrong_address_is_refused(client: PateraTestClient) -> None:
    response = await client.post("/api/v1/users", json={"fullname": "Eve", "email": "nowhere"})
    assert (response.status_code, list(response.json()["details"])) == (422, ["email"])


async def test_unknown_user_is_not_found(client: PateraTestClient) -> None:
    response = await client.get("/api/v1/users/99999999999999999999")
    assert (response.status_code, response.json()["message"]) == (404, "User 99999999999999999999 not found")


async def test_uploaded_avatar_is_shown(client: PateraTestClient, user: User) -> None:
    uploaded = await client.put(f"/api/v1/users/{user.id}/avatar", files={"picture": ("me.png", PNG)})
    assert uploaded.status_code == 204
    shown = await client.get(f"/api/v1/users/{user.id}/avatar")
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")


async def test_avatar_that_is_no_png_is_refused(client: PateraTestClient, user: User) -> None:
    response = await client.put(f"/api/v1/users/{user.id}/avatar", files={"picture": ("me.png", b"<svg>")})
    assert response.status_code == 415
    assert await blog.store.find_avatar(user.id) is None


async def test_changes_are_refused_while_the_blog_is_read_only(client: PateraTestClient) -> None:
    with client.override(config={"READ_ONLY": True}):
        response = await client.post("/api/v1/users", json={"fullname": "Eve", "email": "eve@example.org"})
        assert (await client.get("/api/v1/users")).json() == []
    assert response.status_code == 503
