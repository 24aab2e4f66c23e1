"""The minimal websocket handler."""

from patera import Request
from patera.controller import Controller, path, socket


@path("/api/v1/users", tags=["Users"])
class UsersApi(Controller):
    @socket("/ws")
    async def socket_handler(self, req: Request) -> None:
        await req.accept()
        while True:
            data = await req.receive()
            if data["type"] == "websocket.disconnect":
                break
            if data["type"] == "websocket.receive":
                await req.res.send(
                    {"type": "websocket.send", "text": "Hello from server. Echo: " + data.get("text", "")}
                )
