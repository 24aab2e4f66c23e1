"""CLI utility script"""

if __name__ == "__main__":
    from app import Application

    app = Application()
    app.run_cli()
