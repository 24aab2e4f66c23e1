import pytest

from app.models.post_model import Post
from app.models.user_model import User
from app.tests.conftest import send_form
from app.users import UserData, add_user
from patera.testing import PateraTestClient

PASSWORD = "analytical engine"
LOGIN = {"email": "ada@example.org", "password": PASSWORD}
BROWSER = {"accept": "text/html,*/*;q=0.8"}


@pytest.fixture
async def ada(client: PateraTestClient) -> User:
    return await add_user(UserData(fullname="Ada Lovelace", **LOGIN))


async def test_registered_user_is_logged_in(client: PateraTestClient) -> None:
    response = await send_form(client, "/register", fullname="Ada Lovelace", **LOGIN)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    page = (await client.get("/")).text
    assert "Welcome, Ada Lovelace" in page
    assert "Log out" in page


async def test_registration_that_does_not_fit_is_shown_again_without_the_password(client: PateraTestClient) -> None:
    response = await send_form(client, "/register", fullname="Ada", email="nowhere", password="seven77")
    assert response.status_code == 422
    assert 'value="Ada"' in response.text
    assert "String should have at least 8 characters" in response.text
    assert "seven77" not in response.text


@pytest.mark.usefixtures("ada")
async def test_address_of_another_user_is_not_registered(client: PateraTestClient) -> None:
    response = await send_form(client, "/register", fullname="Eve", **LOGIN | {"email": "Ada@Example.org"})
    assert response.status_code == 422
    assert "ada@example.org is in use" in response.text


@pytest.mark.usefixtures("ada")
async def test_protected_page_leads_to_the_login_and_back(client: PateraTestClient) -> None:
    refused = await client.get("/posts/new", headers=BROWSER)
    assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=%2Fposts%2Fnew")
    response = await send_form(client, refused.headers["location"], **LOGIN)
    assert (response.status_code, response.headers["location"]) == (303, "/posts/new")
    assert (await client.get("/posts/new")).status_code == 200


@pytest.mark.usefixtures("ada")
async def test_login_leads_to_no_other_site(client: PateraTestClient) -> None:
    response = await send_form(client, "/login?next=https://evil.example/", **LOGIN)
    assert response.headers["location"] == "/"


@pytest.mark.usefixtures("ada")
async def test_wrong_password_and_unknown_user_get_the_same_answer(client: PateraTestClient) -> None:
    for fields in (LOGIN | {"password": "wrong"}, LOGIN | {"email": "eve@example.org"}):
        response = await send_form(client, "/login", **fields)
        assert response.status_code == 401
        assert "Wrong e-mail or password" in response.text


async def test_user_without_password_cannot_log_in(client: PateraTestClient, user: User) -> None:
    assert (await send_form(client, "/login", email=user.email, password="")).status_code == 401


@pytest.mark.usefixtures("ada")
async def test_logins_are_limited_for_form_and_api_together(client: PateraTestClient) -> None:
    for _ in range(5):
        await client.post("/api/v1/auth/token", json=LOGIN | {"password": "wrong"})
    response = await client.post("/login", headers=BROWSER)
    assert response.status_code == 429
    assert "<h1>Too many requests</h1>" in response.text


@pytest.mark.usefixtures("ada")
async def test_logout_forgets_the_user(client: PateraTestClient) -> None:
    await send_form(client, "/login", **LOGIN)
    assert (await send_form(client, "/logout", page="/")).status_code == 303
    page = (await client.get("/")).text
    assert "You are logged out" in page
    assert "Log in" in page
    assert (await client.get("/posts/new")).status_code == 401


@pytest.mark.parametrize("path", ["/login", "/register", "/logout", "/posts/1"])
async def test_form_without_csrf_token_is_refused(client: PateraTestClient, post: Post, path: str) -> None:
    response = await client.post(path, data={"author": "Eve", "text": "Nice"}, headers=BROWSER)
    assert response.status_code == 403
    assert "The CSRF token is missing" in response.text


async def test_user_writes_a_post_and_comments_under_the_own_name(client: PateraTestClient, ada: User) -> None:
    await send_form(client, "/login", **LOGIN)
    written = await send_form(client, "/posts/new", title="Notes", text="It weaves patterns.")
    page = (await client.get(written.headers["location"])).text
    assert f"{ada.fullname}, " in page
    assert f'name="author" maxlength="100" required value="{ada.fullname}"' in page


@pytest.mark.usefixtures("ada")
async def test_post_that_does_not_fit_is_shown_again(client: PateraTestClient) -> None:
    await send_form(client, "/login", **LOGIN)
    response = await send_form(client, "/posts/new", title="", text="It weaves patterns.")
    assert response.status_code == 422
    assert "It weaves patterns." in response.text


@pytest.mark.usefixtures("ada")
async def test_api_takes_the_session_of_a_browser_with_a_csrf_token_only(client: PateraTestClient) -> None:
    await send_form(client, "/login", **LOGIN)
    response = await client.post("/api/v1/posts", json={"title": "Tea", "text": "..."})
    assert (response.status_code, response.json()["data"]) == (403, {"reason": "csrf_missing"})
