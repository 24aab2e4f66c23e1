"""A key that can be guessed stops the server of an application that signs with it."""

from pathlib import Path

import pytest

from tests.server import ROOT, start_process

APPLICATION = """
import os
from patera import BaseConfig, Patera, Request, Response, app
from patera.auth import Authentication
from patera.controller import Controller, path, post
from patera.csrf import csrf_protect

class Auth(Authentication):
    async def user_loader(self, req): return None

auth = Auth()

@path("/")
class Forms(Controller):
    @post("/")
    @csrf_protect
    async def send(self, req: Request) -> Response:
        return req.res.no_content()

class Config(BaseConfig):
    APP_NAME = "Signing"
    VERSION = "1.0"
    BASE_PATH = os.path.dirname(__file__)
    DEBUG = False

class AuthConfig(Config):
    EXTENSIONS = ["signing:auth"]

class FormConfig(Config):
    CONTROLLERS = ["signing:Forms"]

@app(__name__, configs=AuthConfig)
class WithLogin(Patera): ...

@app(__name__, configs=FormConfig)
class WithForms(Patera): ...
"""


@pytest.mark.parametrize("name", ["WithLogin", "WithForms"])
@pytest.mark.parametrize("key", ["short", "some-super-secret-key-of-a-document"])
async def test_server_ends_with_3_and_says_why(tmp_path: Path, name: str, key: str) -> None:
    """S17."""
    (tmp_path / "signing.py").write_text(APPLICATION)
    process = await start_process(
        ("-m", "uvicorn", f"signing:{name}", "--factory", "--port", "0"),
        cwd=tmp_path,
        env={"PATERA_SECRET_KEY": key, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 3, output
    assert "PAT502" in output
    assert key not in output
