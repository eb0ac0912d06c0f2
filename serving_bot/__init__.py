"""Reading photos with the last pushed model, and the Telegram bot. Needs no TensorFlow."""
