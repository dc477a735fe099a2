"""What can go wrong between the agent and the API server, told so that the reader knows what to do."""

from __future__ import annotations

from typing import Any

import structlog

from lvs_agent.errors import AgentError
from lvs_agent.source.wire import Refusal

__all__ = ["ApiTrouble", "Complaints", "NoConfiguration", "Refused", "Request", "Unreachable", "Unreadable"]

# HTTP statuses, RFC 9110 section 15 and RFC 6585 section 4.
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, GONE, TOO_MANY_REQUESTS, SERVER_ERROR = 401, 403, 404, 410, 429, 500


class Request:
    """What is asked of the API server.

    Parameters
    ----------
    verb
        As in RBAC rules: list, watch, patch.
    resource
        Plural name and group, with ``/status`` before the dot for the subresource.
    path
        Absolute path on the API server.
    params
        The query.
    """

    def __init__(self, verb: str, resource: str, path: str, params: dict[str, str]) -> None:
        self.verb = verb
        self.resource = resource
        self.path = path
        self.params = params

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


class ApiTrouble(AgentError):
    """The API server did not do what was asked; asking again later can help.

    Attributes
    ----------
    reason
        Which trouble it is, the same for as long as nothing new needs to be said.
    everywhere
        Whether other requests will meet the same.
    retry_after
        Seconds the API server asked us to wait; 0 where it did not say.
    """

    reason: str = ""
    everywhere: bool = False
    retry_after: float = 0.0


class NoConfiguration(ApiTrouble):
    """There is no usable description of where the API server is."""

    reason = "configuration"
    everywhere = True

    def __init__(self, origin: str, cause: Exception) -> None:
        self.origin = origin
        self.cause = cause
        super().__init__(f"{origin} does not say how to reach the API server: {_said(cause)}")


class Unreachable(ApiTrouble):
    """No connection, or one that broke or fell silent."""

    everywhere = True

    def __init__(self, server: str, cause: BaseException) -> None:
        self.server = server
        self.cause = cause
        self.reason = f"unreachable: {type(cause).__name__}"
        super().__init__(
            f"the API server at {server} cannot be reached ({_said(cause)}); the kernel stays as it is meanwhile"
        )


class Unreadable(ApiTrouble):
    """An answer that is not Kubernetes JSON."""

    reason = "unreadable"

    def __init__(self, request: Request, cause: Exception) -> None:
        self.request = request
        self.cause = cause
        super().__init__(f"the answer to {request} is not what an API server sends ({_said(cause)}); is it a proxy's?")


class Refused(ApiTrouble):
    """The API server answered with an error."""

    def __init__(self, request: Request, refusal: Refusal, retry_after: float = 0.0) -> None:
        self.request = request
        self.refusal = refusal
        self.code = refusal.code
        self.retry_after = retry_after
        self.reason = f"{refusal.code} {refusal.reason}"
        self.everywhere = refusal.code in (UNAUTHORIZED, TOO_MANY_REQUESTS) or refusal.code >= SERVER_ERROR
        super().__init__(_advice(request, refusal))

    @property
    def expired(self) -> bool:
        """Whether the resourceVersion or continue token is older than what the API server still has."""
        return self.code == GONE

    @property
    def not_found(self) -> bool:
        """Whether the object, or its whole kind, is not there."""
        return self.code == NOT_FOUND


class Complaints:
    """Says each trouble once per subject, and says when it is over; many subjects with one cause say it once."""

    def __init__(self, log: Any = None) -> None:
        self._log = log if log is not None else structlog.get_logger("lvs_agent.api")
        self._open: dict[str, str] = {}

    def about(self, subject: str, trouble: ApiTrouble) -> None:
        """Take note of a trouble."""
        if self._open.get(subject) == trouble.reason:
            return
        said_before = trouble.everywhere and trouble.reason in self._open.values()
        self._open[subject] = trouble.reason
        if not said_before:
            self._log.warning("api_trouble", subject=subject, reason=trouble.reason, advice=str(trouble))

    def settled(self, subject: str) -> None:
        """Take note that a subject works."""
        reason = self._open.pop(subject, None)
        if reason is not None and reason not in self._open.values():
            self._log.info("api_trouble_over", subject=subject, reason=reason)


def _advice(request: Request, refusal: Refusal) -> str:
    resource, _, group = request.resource.partition(".")
    match refusal.code:
        case 401:
            return (
                "the API server does not accept the agent's credentials; check the token or client certificate"
                f" in its kubeconfig or service account ({refusal.message})"
            )
        case 403:
            return (
                f"the agent may not {request.verb} {resource}; give its role the verb {request.verb} on resource"
                f" {resource} of API group {group} ({refusal.message})"
            )
        case 404:
            return f"the API server does not know {request.resource}; apply deploy/crds first ({refusal.message})"
        case code:
            return f"the API server answered {code} {refusal.reason} to {request}: {refusal.message}"


def _said(cause: BaseException) -> str:
    return str(cause) or type(cause).__name__
