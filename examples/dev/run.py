"""Serves the blog: `python run.py`, or `make run` in the root of the repository."""

if __name__ == "__main__":
    import uvicorn

    from app.configs import Config

    configs = Config()
    uvicorn.run(
        "app:Application",
        host=configs.HOST,
        port=configs.PORT,
        lifespan=configs.LIFESPAN,
        reload=configs.DEBUG,
        factory=True,
        # Live feeds never end by themselves; without a limit they would hold up a restart.
        timeout_graceful_shutdown=2,
    )
