"""CORS on single endpoints, with the upper-case spelling of the verbs."""

from patera import Request, Response
from patera.controller import GET, POST, Controller, cors, no_cors, path


@path("/cors")
class CorsApi(Controller):
    @GET("/global")
    async def with_global_policy(self, req: Request) -> Response:
        return req.res.text("global")

    @GET("/off")
    @no_cors
    async def my_endpoint(self, req: Request) -> Response:
        """some endpoint logic"""
        return req.res.text("off")

    @GET("/own")
    @cors(
        allow_origins=["https://partner.example"],
        allow_methods=["GET"],
        allow_headers=["X-Token"],
        expose_headers=["X-Total"],
        allow_credentials=True,
        max_age=60,
    )
    async def my_other_endpoint(self, req: Request) -> Response:
        """some endpoint logic"""
        return req.res.text("own")

    @POST("/own")
    @cors(allow_methods=["GET"])
    async def my_third_endpoint(self, req: Request) -> Response:
        """some endpoint logic"""
        return req.res.text("never from elsewhere")
