import pytest

from app import Application
from patera.testing import PyJoltTestClient


@pytest.fixture
async def application():
    yield Application()


@pytest.fixture
async def client(application):
    async with PyJoltTestClient(application) as c:
        yield c
