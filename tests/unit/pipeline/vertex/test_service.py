"""Logins and refusals: errors of Google's libraries become one-line errors."""

import re

import pytest
from google.api_core.exceptions import NotFound, PermissionDenied, RetryError, ServiceUnavailable, Unauthenticated
from google.auth.exceptions import RefreshError, TransportError

from pipeline.vertex.job import VertexError
from pipeline.vertex.service import check_region, find_credentials, refusals


def test_without_credentials_the_next_step_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # otherwise it looks for a metadata server
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)

    with pytest.raises(VertexError, match=r"No Google Cloud credentials .*gcloud auth application-default login"):
        find_credentials()


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, r"\(File .*key.json was not found\)"), ("not json", r"\(File .*key.json is not a valid json file\)")],
)
def test_an_unusable_key_file_is_named(tmp_path, monkeypatch, text, reason):
    key = tmp_path / "key.json"
    if text:
        key.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))

    with pytest.raises(VertexError, match=reason):
        find_credentials()


def test_an_unknown_region_is_refused():
    with pytest.raises(VertexError, match=r"no region 'mars-1'; it has .*europe-west4"):
        check_region("mars-1")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ServiceUnavailable("failed to connect"), "Google Cloud cannot be reached: failed to connect. Try again"),
        (RetryError("Timeout of 120 s", None), "Google Cloud cannot be reached: Timeout of 120 s. Try again"),
        (TransportError("no route", "more"), "Google Cloud cannot be reached: no route. Try again"),
        (
            RefreshError("invalid_grant: Bad Request", {}),
            "does not accept this login: invalid_grant: Bad Request. Log in",
        ),
        (Unauthenticated("Invalid token."), "does not accept this login: Invalid token. Log in with `gcloud auth"),
        (
            PermissionDenied("No create."),
            "Google Cloud refuses: No create. docs/vertex.md lists the roles",
        ),
        (NotFound("Project 'proj' not found."), "Google Cloud refuses: Project 'proj' not found."),
    ],
)
def test_errors_of_the_service_include_the_next_step(error, sentence):
    with pytest.raises(VertexError, match=re.escape(sentence)), refusals():
        raise error
