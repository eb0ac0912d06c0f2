"""The web server: a page for drawings, dropped files and photos, and an HTTP API for programs."""
