"""Runs a command of the blog: `python cli.py add-user "Ada Lovelace" ada@example.org`."""

if __name__ == "__main__":
    from app import Application

    Application().run_cli()
