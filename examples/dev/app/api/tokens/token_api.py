"""Logging in to the API: tokens for programs."""

from pydantic import BaseModel

from app.api.api_controller import ApiController, ErrorBody
from app.authentication import auth
from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Descriptor, consumes, open_api_docs, path, post, produces
from patera.exceptions import AuthenticationException
from patera.rate_limit import rate_limit


class Credentials(BaseModel):
    """What a user logs in with."""

    email: str
    password: str


class RefreshToken(BaseModel):
    """What a program has kept."""

    refresh_token: str


class Tokens(BaseModel):
    """The access token goes into `Authorization: Bearer`; the other one is for the next pair."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


@path("/api/v1/auth", tags=["Login"])
class TokensApi(ApiController):
    """Tokens, which need no CSRF token: no browser sends them by itself."""

    @post("/token")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(Descriptor(HttpStatus.UNAUTHORIZED, "Wrong e-mail or password", body=ErrorBody))
    @rate_limit("5/minute", scope="login")
    async def create_tokens(self, req: Request, data: Credentials) -> Response[Tokens]:
        """Log in; the limit is that of the login form."""
        user = await auth.authenticate(data.email, data.password)
        if user is None:
            raise AuthenticationException("Wrong e-mail or password")
        return req.res.json(auth.create_token_pair(user).as_dict())

    @post("/refresh")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(Descriptor(HttpStatus.UNAUTHORIZED, "The refresh token is not valid", body=ErrorBody))
    async def refresh_tokens(self, req: Request, data: RefreshToken) -> Response[Tokens]:
        """Stay logged in."""
        pair = await auth.refresh_token_pair(data.refresh_token)
        if pair is None:
            raise AuthenticationException("The refresh token is not valid")
        return req.res.json(pair.as_dict())
