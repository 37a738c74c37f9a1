"""Roles' ARNs in; whether SageMaker may take them on out, by moto's IAM."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from moto.backends import get_backend

from harness.rehearsal.errors import RefusalError, invalid

NAME = "rehearsal"
_SERVICE = "sagemaker.amazonaws.com"


class Roles:
    """The roles of one account; threads share them under the lock that guards moto."""

    def __init__(self, account: str, lock: threading.RLock) -> None:
        self._moto: Any = get_backend("iam")[account]["aws"]
        self._lock: Any = lock

    def create(self) -> str:
        """Make the role that the rehearsal offers, unless it is there; return its ARN."""
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": _SERVICE}, "Action": "sts:AssumeRole"}
            ],
        }
        with self._lock:
            found = next((role for role in self._moto.get_roles() if role.name == NAME), None)
            made = found or self._moto.create_role(
                role_name=NAME,
                assume_role_policy_document=json.dumps(trust),
                path="/",
                permissions_boundary=None,
                description="offered by the rehearsal",
                tags=[],
                max_session_duration=None,
            )
        arn: str = made.arn
        return arn

    def check(self, arn: str) -> None:
        """Refuse a role that SageMaker cannot take on."""
        with self._lock:
            role = next((role for role in self._moto.get_roles() if role.arn == arn), None)
        if role is None or not _trusts(role.assume_role_policy_document):
            raise invalid(
                f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
                f"'{_SERVICE}' to assume the role."
            )


def _trusts(document: str) -> bool:
    """Return whether a trust policy allows SageMaker to take the role on."""
    try:
        statements = json.loads(unquote(document))["Statement"]
    except (ValueError, KeyError, TypeError):
        return False
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and _SERVICE in (
            [services] if isinstance(services, str) else services
        ):
            return True
    return False


def simulated(body: bytes) -> bytes:
    """Return the answer to SimulatePrincipalPolicy, which moto lacks: everything is allowed."""
    form = parse_qs(body.decode())
    actions = [values[0] for name, values in sorted(form.items()) if name.startswith("ActionNames.")]
    if not actions:
        raise RefusalError("ValidationError", "SimulatePrincipalPolicy needs ActionNames")
    members = "".join(
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>*</EvalResourceName>"
        "<EvalDecision>allowed</EvalDecision></member>"
        for action in actions
    )
    result = f"<IsTruncated>false</IsTruncated><EvaluationResults>{members}</EvaluationResults>"
    return (
        '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        f"<SimulatePrincipalPolicyResult>{result}</SimulatePrincipalPolicyResult>"
        "</SimulatePrincipalPolicyResponse>"
    ).encode()
