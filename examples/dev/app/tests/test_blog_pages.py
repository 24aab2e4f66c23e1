import pytest

from app.models.post_model import Post
from app.models.user_model import User
from app.tests.conftest import add, send_form
from patera.testing import PateraTestClient


async def test_index_shows_the_newest_posts(client: PateraTestClient, user: User) -> None:
    for number in range(7):
        await add(Post(author_id=user.id, title=f"Post {number}", text="..."))
    first, second = [(await client.get("/", params={"page": page})).text for page in (1, 2)]
    assert "Post 6" in first
    assert "Post 1" not in first
    assert "Post 1" in second
    assert 'href="/?page=2">older' in first
    assert 'href="/?page=1">newer' in second


async def test_form_leads_back_to_the_comment(client: PateraTestClient, post: Post) -> None:
    response = await send_form(client, f"/posts/{post.id}", author="Eve", text="Nice")
    assert (response.status_code, response.headers["location"]) == (303, f"/posts/{post.id}#comment-1")
    assert "<strong>Eve</strong> Nice" in (await client.get(f"/posts/{post.id}")).text


async def test_markup_in_a_comment_is_shown_as_text(client: PateraTestClient, post: Post) -> None:
    await send_form(client, f"/posts/{post.id}", author='"><b>', text="<script>alert(1)</script>")
    page = (await client.get(f"/posts/{post.id}")).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<b>" not in page


async def test_form_that_does_not_fit_is_shown_again_with_what_was_typed(client: PateraTestClient, post: Post) -> None:
    response = await send_form(client, f"/posts/{post.id}", author='Eve"', text="")
    assert response.status_code == 422
    assert 'value="Eve&#34;"' in response.text
    assert "String should have at least 1 character" in response.text


@pytest.mark.parametrize("path", ["/posts/1", "/nowhere"])
async def test_browser_gets_a_page_for_what_is_not_there(client: PateraTestClient, path: str) -> None:
    response = await client.get(path, headers={"accept": "text/html,*/*;q=0.8"})
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "not found" in response.text


async def test_program_gets_json_for_what_is_not_there(client: PateraTestClient) -> None:
    response = await client.get("/nowhere")
    assert (response.status_code, response.json()["message"]) == (404, "Endpoint not found")


async def test_every_answer_tells_its_time(client: PateraTestClient) -> None:
    assert int((await client.get("/static/style.css")).headers["x-process-time-ms"]) >= 0
