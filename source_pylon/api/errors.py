"""What can go wrong between the connector and Pylon, each with a text for the person who can act on it.

`user_message` is shown in Airbyte; `detail` (endpoint, status, Pylon's request id) is for whoever reads the log.
Neither ever holds the token, a body, or a record.
"""


class PylonError(Exception):
    """A request that gave no usable answer, after every retry that could help."""

    is_config_error = False
    is_transient = False

    def __init__(self, user_message: str, detail: str = "") -> None:
        self.user_message = user_message
        self.detail = detail
        super().__init__(f"{user_message} [{detail}]" if detail else user_message)


class Unauthorized(PylonError):
    """401: Pylon does not know the token, or knows it in another region."""

    is_config_error = True


class Forbidden(PylonError):
    """403: Pylon knows the token, but the token may not do this."""

    is_config_error = True


class NotFound(PylonError):
    """404 or 410: the object, or the endpoint, is not there."""


class Rejected(PylonError):
    """400 or 422: Pylon refuses the request as it is, a pagination cursor among them."""


class DisabledByConfig(PylonError):
    """The configuration rules out what a stream needs."""

    is_config_error = True


class Redirected(PylonError):
    """3xx: the token is not carried to where the answer points."""

    is_config_error = True


class Unreachable(PylonError):
    """No connection, or none that lasted: host, DNS, TLS, proxy, time-outs."""

    is_transient = True


class ReadStalled(PylonError):
    """The connector itself has let an answer wait for so long that the connection is of no use any more."""


class Unavailable(PylonError):
    """5xx or 429 for longer than the connector waits."""

    is_transient = True


class InvalidResponse(PylonError):
    """An answer that is not what Pylon's API answers: HTML, broken JSON, another shape, endless pages."""

    is_transient = True
