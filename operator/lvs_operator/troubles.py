"""What can go wrong between the operator and the API server, told so that the reader knows what to do."""

from __future__ import annotations

__all__ = ["ApiTrouble", "Broken", "KindMissing", "NoConfiguration", "Refused", "Unreachable"]

# HTTP statuses, RFC 9110 section 15 and RFC 6585 section 4.
_UNAUTHORIZED, _NOT_FOUND, _TOO_MANY_REQUESTS, _BAD_GATEWAY = 401, 404, 429, 502


class ApiTrouble(Exception):
    """The API server did not do what was asked; asking again later can help.

    Attributes
    ----------
    everywhere
        Whether other requests will meet the same.
    retry_after
        Seconds that the API server asked us to wait; 0 where it did not say.
    """

    everywhere: bool = False
    retry_after: float = 0.0


class NoConfiguration(ApiTrouble):
    """There is no usable description of where the API server is."""

    everywhere = True

    def __init__(self, origin: str, cause: Exception) -> None:
        self.origin = origin
        self.cause = cause
        super().__init__(f"{origin} does not say how to reach the API server: {_said(cause)}")


class Unreachable(ApiTrouble):
    """No connection, or one that broke."""

    everywhere = True

    def __init__(self, server: str, cause: BaseException) -> None:
        self.server = server
        self.cause = cause
        super().__init__(f"the API server at {server} cannot be reached ({_said(cause)}); directors go on without it")


class Refused(ApiTrouble):
    """The API server answered with an error.

    Parameters
    ----------
    verb, subject
        What was asked of what, as in RBAC rules.
    code
        HTTP status.
    message
        What the API server says.
    """

    def __init__(self, verb: str, subject: str, code: int, message: str, retry_after: float = 0.0) -> None:
        self.verb = verb
        self.subject = subject
        self.code = code
        self.message = message
        self.retry_after = retry_after
        # Not 500: that can be about this one object, as where its CRD is older than the operator.
        self.everywhere = code in (_UNAUTHORIZED, _TOO_MANY_REQUESTS) or code >= _BAD_GATEWAY
        super().__init__(f"{self._advice()} ({message})")

    @property
    def credentials_rejected(self) -> bool:
        """Whether the API server does not know who asks."""
        return self.code == _UNAUTHORIZED

    @property
    def not_found(self) -> bool:
        """Whether the object is not there."""
        return self.code == _NOT_FOUND

    def _advice(self) -> str:
        match self.code:
            case 401:
                return "the API server does not accept the operator's credentials; check its token or certificate"
            case 403:
                return f"the operator may not {self.verb} {self.subject}; give its role that verb on that resource"
            case 500:
                return (
                    f"the API server failed to {self.verb} {self.subject};"
                    " where it does not know a field, apply deploy/crds of this version"
                )
            case code:
                return f"the API server answered {code} to {self.verb} {self.subject}"


class KindMissing(ApiTrouble):
    """The API server does not serve kinds that the operator watches."""

    everywhere = True

    def __init__(self, missing: list[str]) -> None:
        self.missing = missing
        super().__init__(f"the API server does not know {', '.join(missing)}; apply deploy/crds")


class Broken(ApiTrouble):
    """Watching ended without being asked to."""

    everywhere = True

    def __init__(self, cause: BaseException | None) -> None:
        self.cause = cause
        super().__init__(f"watching ended ({_said(cause) if cause else 'no reason given'}); it starts anew")


def _said(cause: BaseException) -> str:
    return str(cause) or type(cause).__name__
