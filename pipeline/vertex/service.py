"""Google Cloud for `digits vertex`: the target of a job, the login, and readable API errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.vertex.job import VertexError, quiet_clients

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LOGIN = "Log in with `gcloud auth application-default login`"


@dataclass(frozen=True)
class Target:
    """Where a job runs, and under which account."""

    project: str  # Google Cloud project
    region: str  # location of Vertex AI, such as europe-west4
    service_account: str | None = None  # account of the job; None for Vertex AI's default
    encryption_key: str | None = None  # resource name of a Cloud KMS key for everything the job creates


def console_page(target: Target, job_id: str) -> str:
    """The job's page in the Google Cloud console."""
    return (
        f"https://console.cloud.google.com/vertex-ai/locations/{target.region}/pipelines/runs/{job_id}"
        f"?project={target.project}"
    )


def find_credentials() -> Credentials:
    """Google's application default credentials.

    Raises:
        VertexError: there are no credentials.
    """
    import google.auth  # noqa: PLC0415
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415

    try:
        with quiet_clients():
            return google.auth.default(scopes=[_SCOPE])[0]
    except DefaultCredentialsError as error:
        raise VertexError(
            f"No Google Cloud credentials ({_reason(error).partition('. ')[0]}). {_LOGIN}, or name a key file in the "
            "variable GOOGLE_APPLICATION_CREDENTIALS."
        ) from error


@contextmanager
def refusals() -> Iterator[None]:
    """Turns an error of Google's APIs into a sentence."""
    from google.api_core.exceptions import (  # noqa: PLC0415
        Forbidden,
        GoogleAPIError,
        RetryError,
        ServiceUnavailable,
        Unauthorized,
    )
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415

    try:
        yield
    except (RetryError, ServiceUnavailable, TransportError) as error:
        raise VertexError(
            f"Google Cloud cannot be reached: {_reason(error)}. Try again when the network works."
        ) from error
    except (GoogleAuthError, Unauthorized) as error:
        raise VertexError(f"Google Cloud does not accept this login: {_reason(error)}. {_LOGIN}.") from error
    except Forbidden as error:
        raise VertexError(
            f"Google Cloud refuses: {_reason(error)}. docs/vertex.md lists the roles that are needed."
        ) from error
    except GoogleAPIError as error:
        raise VertexError(f"Google Cloud refuses: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """The message of Google's libraries, without attached objects and full stop."""
    return str(getattr(error, "message", None) or (error.args or [error])[0]).strip().rstrip(".")


def check_region(region: str) -> None:
    """Raises VertexError for a region that Vertex AI lacks."""
    with quiet_clients():
        from google.cloud.aiplatform.constants.base import SUPPORTED_REGIONS  # noqa: PLC0415 (takes seconds)

    if region not in SUPPORTED_REGIONS:
        raise VertexError(f"Vertex AI has no region {region!r}; it has {', '.join(sorted(SUPPORTED_REGIONS))}.")
