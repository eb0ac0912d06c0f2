"""A headless Chromium of the system, driven by Playwright, which brings none in its wheel."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """The browser; FileNotFoundError says how to get one where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise FileNotFoundError("Chromium is missing: `apt-get install chromium` (Debian) or your system's own means.")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program) as browser:
        yield browser
