"""Something to look at in an empty blog."""

from app.storage.blog_store import BlogStore


async def add_demo_content(store: BlogStore) -> None:
    """Add two users, two posts and a comment."""
    ada = await store.add_user("Ada Lovelace", "ada@example.org")
    grace = await store.add_user("Grace Hopper", "grace@example.org")
    post = await store.add_post(ada.id, "Notes on the engine", "It weaves algebraic patterns.")
    await store.add_post(grace.id, "A moth in the relay", "The first bug was a real one.")
    await store.add_comment(post.id, "Charles", "I wish I had said that.")
