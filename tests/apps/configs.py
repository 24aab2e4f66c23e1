"""The configuration that the small applications share."""

import os

from patera import BaseConfig


class AppConfig(BaseConfig):
    APP_NAME: str = "Small"
    VERSION: str = "1.0"
    BASE_PATH: str = os.path.dirname(__file__)


class HelloConfig(AppConfig):
    CONTROLLERS: list[str] = ["tests.apps.hello:Hello"]


class MistakenConfig(AppConfig):
    CONTROLLERS: list[str] = ["tests.apps.mistaken:Mistaken"]
