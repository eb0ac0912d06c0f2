"""Reading photos with the last pushed model: a library, a web server and the Telegram bot. Needs no TensorFlow."""

from serving_bot.library import read

__all__ = ["read"]
