"""What AWS says when it refuses a call, by code and text; the same as bytes in the service's own protocol."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

JSON = "application/x-amz-json-1.1"
XML = "text/xml"
NOT_FOUND = "Requested resource not found."


class RefusalError(Exception):
    """A call is refused; `code` is AWS's name of the kind of refusal."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def answer(self, service: str, *, form: bool) -> tuple[str, bytes]:
        """Return content type and body as a service has them: XML of S3 and for forms, else JSON."""
        if service == "s3":
            words = f"<Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
            return XML, f"<Error>{words}<RequestId>rehearsal</RequestId></Error>".encode()
        if form:
            words = f"<Type>Sender</Type><Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
            return XML, f"<ErrorResponse><Error>{words}</Error></ErrorResponse>".encode()
        return JSON, json.dumps({"__type": self.code, "message": self.message}).encode()


def invalid(message: str) -> RefusalError:
    """Return what SageMaker answers to a request that it cannot accept."""
    return RefusalError("ValidationException", message)


def unplayed(what: str, played: str) -> RefusalError:
    """Return the answer to something that AWS would do and the rehearsal does not."""
    return RefusalError("UnsupportedOperation", f"the rehearsal does not play {what}; {played}")


def throttled(service: str) -> RefusalError:
    """Return what AWS answers to too many calls."""
    if service == "s3":
        return RefusalError("SlowDown", "Please reduce your request rate.", 503)
    return RefusalError("ThrottlingException", "Rate exceeded")


def forbidden(service: str, action: str, role: str) -> RefusalError:
    """Return what AWS answers to somebody without permission for an action."""
    if service == "s3":
        return RefusalError("AccessDenied", "Access Denied", 403)
    user = f"User: {role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/rehearsal"
    permission = f"{service}:{action}"
    code = "AccessDenied" if service in ("iam", "sts") else "AccessDeniedException"
    return RefusalError(
        code,
        f"{user} is not authorized to perform: {permission} because no identity-based policy allows "
        f"the {permission} action",
        403 if code == "AccessDenied" else 400,
    )
