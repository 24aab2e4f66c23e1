import os

from patera import BaseConfig


class Config(BaseConfig):
    """Config class"""

    APP_NAME: str = "Test app"
    VERSION: str = "1.0"
    SECRET_KEY: str = "some-super-secret-key"
    BASE_PATH: str = os.path.dirname(__file__)
    DEBUG: bool = True
