import pytest

from app.comments import add_comment
from app.models.post_model import Comment, Post
from app.models.user_model import User
from app.tests.conftest import add, bearer
from patera.testing import PateraTestClient


@pytest.fixture
async def three_posts(user: User) -> None:
    for title in ("Tea", "Milk", "Green tea"):
        await add(Post(author_id=user.id, title=title, text="..."))


@pytest.mark.usefixtures("three_posts")
async def test_posts_come_in_pages(client: PateraTestClient) -> None:
    page = (await client.get("/api/v1/posts", params={"page": 2, "per_page": 2})).json()
    assert [post["title"] for post in page.pop("items")] == ["Tea"]
    assert page == {"total": 3, "page": 2, "pages": 2, "per_page": 2, "has_next": False, "has_prev": True}


@pytest.mark.usefixtures("three_posts")
async def test_posts_are_searched_by_title(client: PateraTestClient) -> None:
    page = (await client.get("/api/v1/posts", params={"search": "TEA"})).json()
    assert [post["title"] for post in page["items"]] == ["Green tea", "Tea"]


async def test_posts_are_filtered_by_author(client: PateraTestClient, post: Post) -> None:
    found = await client.get("/api/v1/posts", params={"author_id": post.author_id})
    none = await client.get("/api/v1/posts", params={"author_id": post.author_id + 1})
    assert (found.json()["total"], none.json()["total"]) == (1, 0)


async def test_page_beyond_the_limit_is_refused(client: PateraTestClient) -> None:
    response = await client.get("/api/v1/posts", params={"per_page": 1000})
    assert (response.status_code, list(response.json()["details"])) == (422, ["per_page"])


async def test_post_of_nobody_is_refused(client: PateraTestClient) -> None:
    response = await client.post("/api/v1/posts", json={"title": "Tea", "text": "..."})
    assert (response.status_code, response.json()["message"]) == (401, "Login required")


async def test_created_post_can_be_read_where_the_answer_says(client: PateraTestClient, user: User) -> None:
    created = await client.post("/api/v1/posts", json={"title": "Tea", "text": "..."}, headers=bearer(user))
    assert created.status_code == 201
    assert (await client.get(created.headers["location"])).json()["author"] == "Ada Lovelace"


async def test_change_of_title_leaves_the_text(client: PateraTestClient, user: User, post: Post) -> None:
    response = await client.patch(f"/api/v1/posts/{post.id}", json={"title": "New"}, headers=bearer(user))
    changed = response.json()
    assert (changed["title"], changed["text"]) == ("New", "It weaves patterns.")


async def test_removed_post_is_gone_with_its_comments(client: PateraTestClient, user: User, post: Post) -> None:
    await add_comment(post.id, "Eve", "Bye")
    assert (await client.delete(f"/api/v1/posts/{post.id}", headers=bearer(user))).status_code == 204
    assert (await client.get(f"/api/v1/posts/{post.id}")).status_code == 404
    assert not await Comment.query().exists()


async def test_post_is_not_changed_by_another_author(client: PateraTestClient, stranger: User, post: Post) -> None:
    url, headers = f"/api/v1/posts/{post.id}", bearer(stranger)
    answers = [
        await client.patch(url, json={"title": "Mine"}, headers=headers),
        await client.delete(url, headers=headers),
    ]
    assert [(answer.status_code, answer.json()["message"]) for answer in answers] == [(403, "Missing permission")] * 2
    assert (await client.get(url)).json()["title"] == "Notes"


async def test_admin_removes_any_post(client: PateraTestClient, admin: User, post: Post) -> None:
    assert (await client.delete(f"/api/v1/posts/{post.id}", headers=bearer(admin))).status_code == 204


async def test_unknown_post_is_not_found_by_a_user(client: PateraTestClient, user: User) -> None:
    assert (await client.delete("/api/v1/posts/99", headers=bearer(user))).status_code == 404
