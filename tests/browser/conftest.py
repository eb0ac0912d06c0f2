"""The browser that all pages are looked at in."""

import pytest
from chromium import running_chromium


@pytest.fixture(scope="session")
def browser():
    with running_chromium() as running:
        yield running
