"""Registration, login and logout: HTML pages."""

from typing import Annotated

from app.authentication import auth
from app.exceptions.custom_exceptions import EmailInUse
from app.forms import Form, read_form
from app.users import UserData, add_user
from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Controller, get, path, post, produces
from patera.csrf import csrf_protect
from patera.parameters import Form as FormField
from patera.rate_limit import rate_limit
from patera.sessions import flash


@path("/", open_api_spec=False)
@csrf_protect
class AccountPages(Controller):
    """The forms around a login; the session cookie remembers it."""

    @get("/register")
    @produces(MediaType.TEXT_HTML)
    async def registration(self, req: Request) -> Response:
        """Show the form for a new user."""
        return await req.res.html("register.html", {"form": Form()})

    @post("/register")
    @produces(MediaType.TEXT_HTML)
    @rate_limit("10/minute", scope="registration")
    async def register(self, req: Request) -> Response:
        """Add a user, and log in."""
        form = await read_form(req, UserData)
        if form.data is not None:
            try:
                user = await add_user(form.data)
            except EmailInUse as error:
                form.errors["email"] = error.message
            else:
                auth.login(req, user)
                flash(f"Welcome, {user.fullname}")
                return req.res.redirect("BlogPages.index")
        return await req.res.status(HttpStatus.UNPROCESSABLE_ENTITY).html("register.html", {"form": form})

    @get("/login")
    @produces(MediaType.TEXT_HTML)
    async def login(self, req: Request) -> Response:
        """Show the login form; it is sent to this URL, `next` included."""
        return await req.res.html("login.html", {"email": ""})

    @post("/login")
    @produces(MediaType.TEXT_HTML)
    @rate_limit("5/minute", scope="login")
    async def log_in(
        self, req: Request, email: Annotated[str, FormField()] = "", password: Annotated[str, FormField()] = ""
    ) -> Response:
        """Log in; nobody learns whether it was the address or the password that was wrong."""
        user = await auth.authenticate(email, password)
        if user is None:
            flash("Wrong e-mail or password", "error")
            return await req.res.status(HttpStatus.UNAUTHORIZED).html("login.html", {"email": email})
        auth.login(req, user)
        return req.res.redirect(auth.safe_next(req))

    @post("/logout")
    @produces(MediaType.TEXT_HTML)
    async def log_out(self, req: Request) -> Response:
        """Log out."""
        auth.logout(req)
        flash("You are logged out")
        return req.res.redirect("BlogPages.index")
