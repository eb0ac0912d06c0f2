"""The web server: a page to draw, drop and photograph on, and an HTTP API for programs."""
