"""An application whose only endpoint is limited, counted where the environment says."""

import os

from patera import BaseConfig, Patera, Request, Response, app
from patera.controller import Controller, get, path
from patera.rate_limit import RateLimiter, rate_limit

limiter = RateLimiter()


class Config(BaseConfig):
    APP_NAME = "Limited"
    VERSION = "1.0"
    BASE_PATH = os.path.dirname(__file__)
    DEBUG = False
    EXTENSIONS = ["tests.apps.limited:limiter"]
    CONTROLLERS = ["tests.apps.limited:Limited"]
    RATE_LIMIT = {"STORAGE_URI": "memory://"}


@path("/limited")
class Limited(Controller):
    @get("/")
    @rate_limit("7/hour")
    async def show(self, req: Request) -> Response:
        return req.res.text("shown")


@app(__name__, configs=Config)
class Application(Patera):
    pass
