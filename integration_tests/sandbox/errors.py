"""The exception with which the sandbox refuses a request."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal: HTTP status, the text for `errors`, and the stable `code` where one is known."""

    def __init__(self, status: int, text: str, code: str | None = None) -> None:
        """`code` is None where Pylon documents none, so that no client comes to rely on an invented one."""
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code


def not_found(what: str) -> ApiError:
    """Return the error for an object or a path that does not exist."""
    return ApiError(404, f"{what} not found", "not_found")
