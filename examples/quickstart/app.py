# app.py
import os

from pydantic import BaseModel

from patera import BaseConfig, HttpStatus, Patera, Request, Response, app
from patera.controller import Controller, get, path, post


class Config(BaseConfig):
    APP_NAME: str = "Notes"
    VERSION: str = "1.0"
    BASE_PATH: str = os.path.dirname(__file__)
    CONTROLLERS: list[str] = ["app:Notes"]


class Note(BaseModel):
    text: str


@path("/notes")
class Notes(Controller):
    @get("/<int:note_id>")
    async def show(self, req: Request, note_id: int) -> Response[Note]:
        return req.res.json({"text": f"This is note {note_id}", "secret": "never sent"})

    @post("/")
    async def create(self, req: Request, note: Note) -> Response[Note]:
        return req.res.json(note).status(HttpStatus.CREATED)


@app(__name__, configs=Config)
class Application(Patera): ...
