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
    )
