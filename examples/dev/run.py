"""Serves the blog: `python run.py`, or `make run` in the root of the repository."""

import secrets
from pathlib import Path


def make_secret_key(file: Path) -> None:
    """Give this machine a key to sign with, in a file that is never committed."""
    file.touch(0o600)
    with file.open("a") as lines:
        lines.write(f"\nPATERA_SECRET_KEY={secrets.token_urlsafe(48)}\n")


if __name__ == "__main__":
    import uvicorn

    from app.configs import ENV_FILE, Config

    configs = Config()
    if configs.DEBUG and not configs.SECRET_KEY:
        make_secret_key(ENV_FILE)
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
