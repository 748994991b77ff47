"""A chat model's endpoint for the adapter to speak to."""

from tests.openai_server import chat_server

__all__ = ["chat_server"]
