"""The browser for the tests of all pages."""

import pytest
from chromium import running_chromium


@pytest.fixture(scope="session")
def browser():
    with running_chromium() as running:
        yield running
