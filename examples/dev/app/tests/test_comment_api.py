import pytest

from app.models.post_model import Comment, Post
from app.tests.conftest import send_form
from patera.testing import PateraTestClient, WebSocketRejected


async def test_comment_is_stored(client: PateraTestClient, post: Post) -> None:
    url = f"/api/v1/posts/{post.id}/comments"
    created = await client.post(url, json={"author": "Eve", "text": "Nice"})
    assert created.status_code == 201
    assert (await client.get(url)).json() == [created.json()]


async def test_comment_on_unknown_post_is_refused(client: PateraTestClient) -> None:
    response = await client.post("/api/v1/posts/1/comments", json={"author": "Eve", "text": "Nice"})
    assert response.status_code == 404


async def test_watchers_see_comments_live(client: PateraTestClient, post: Post) -> None:
    url = f"/api/v1/posts/{post.id}/comments/live"
    async with client.websocket(url) as eve, client.websocket(url) as adam:
        await eve.send_json({"author": "Eve", "text": "Hello"})
        seen = [await eve.receive_json(), await adam.receive_json()]
    assert [comment["text"] for comment in seen] == ["Hello", "Hello"]
    assert [comment.text for comment in await Comment.query().filter_by(post_id=post.id).all()] == ["Hello"]


async def test_comment_of_the_form_is_seen_live(client: PateraTestClient, post: Post) -> None:
    async with client.websocket(f"/api/v1/posts/{post.id}/comments/live") as watcher:
        await send_form(client, f"/posts/{post.id}", author="Eve", text="From the form")
        assert (await watcher.receive_json())["text"] == "From the form"


async def test_message_that_is_no_comment_is_answered_with_its_fields(client: PateraTestClient, post: Post) -> None:
    async with client.websocket(f"/api/v1/posts/{post.id}/comments/live") as ws:
        await ws.send_json({"author": "Eve"})
        assert await ws.receive_json() == {"status": "error", "fields": [["text"]]}


async def test_unknown_post_cannot_be_watched(client: PateraTestClient) -> None:
    with pytest.raises(WebSocketRejected):
        async with client.websocket("/api/v1/posts/1/comments/live"):
            pass


async def test_nobody_watches_while_the_blog_is_read_only(client: PateraTestClient, post: Post) -> None:
    with client.override(config={"READ_ONLY": True}), pytest.raises(WebSocketRejected):
        async with client.websocket(f"/api/v1/posts/{post.id}/comments/live"):
            pass
