"""The configuration model with its validation, and the specification that Airbyte's form is made from."""

from datetime import datetime, timezone
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from source_pylon.timestamps import parse

HOSTS = {"us": "https://api.usepylon.com", "eu": "https://api.eu.usepylon.com"}
REPOSITORY_URL = "https://github.com/source-pylon/source-pylon"
DOCUMENTATION_URL = f"{REPOSITORY_URL}/blob/main/docs/pylon.md"
_PYLON_DOCS = "https://docs.usepylon.com/pylon-docs/developer/api"
GROUPS = {"connection": "Connection", "scope": "What to sync", "advanced": "Advanced"}
"""The sections of Airbyte's form, in order, with their titles."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))?$"


class InvalidConfig(ValueError):
    """The configuration cannot be used; the text names the field and what to change, and never quotes a value."""


class Config(BaseModel):
    """What a user sets. Unknown keys are ignored, as Airbyte expects; `check` warns about them."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    api_token: str = Field(
        title="API Token",
        description=(
            "Your Pylon API token. An admin creates it in Pylon under Settings, API Tokens: "
            f'<a href="{_PYLON_DOCS}/authentication">how to create a token</a>.'
        ),
        json_schema_extra={"airbyte_secret": True, "order": 0, "group": "connection"},
    )
    region: Literal["us", "eu"] = Field(
        default="us",
        title="Region",
        description=(
            "Where Pylon hosts your organisation: us for the United States (you sign in at app.usepylon.com) or eu for "
            "the European Union (app.eu.usepylon.com). A token only works in its own region."
        ),
        json_schema_extra={"order": 1, "group": "connection"},
    )
    start_date: str | None = Field(
        default=None,
        title="Start Date",
        description=(
            "Sync only issues, call recordings and survey responses with activity on or after this date (UTC). "
            "Leave it empty to sync the full history. Contacts, accounts and settings are always synced in full. "
            f'<a href="{DOCUMENTATION_URL}">Details for each stream</a>.'
        ),
        examples=["2025-01-01", "2025-01-01T00:00:00Z"],
        json_schema_extra={
            "order": 0,
            "group": "scope",
            "format": "date-time",
            "pattern": _DATE_PATTERN,
            "pattern_descriptor": "YYYY-MM-DD or YYYY-MM-DDTHH:mm:ssZ",
        },
    )
    call_recordings_lookback_days: int = Field(
        default=7,
        ge=0,
        le=90,
        title="Call Recordings Lookback (Days)",
        description=(
            "Call recordings and their summaries appear in Pylon hours or days after the call. Each incremental sync "
            "reads the recordings of the last days again: this many."
        ),
        json_schema_extra={"order": 0, "group": "advanced"},
    )
    issues_lookback_days: int = Field(
        default=0,
        ge=0,
        le=90,
        title="Issues Lookback (Days)",
        description=(
            "Read issues again whose latest change or message is at most this many days old, to find changes that "
            "Pylon does not mark with a new timestamp. This takes one request for the messages of each such issue in "
            "every sync. 0 turns it off."
        ),
        json_schema_extra={"order": 1, "group": "advanced"},
    )
    include_messages: bool = Field(
        default=True,
        title="Include Messages",
        description=(
            "Sync the public messages of issues, conversations and tickets. This takes one request for each new or "
            "changed issue, and most of the time of a first sync. Without messages, issues have no feedback text, body "
            "or attachments, unless Trust Issue Bodies is on."
        ),
        json_schema_extra={"order": 1, "group": "scope"},
    )
    trust_issue_body: bool = Field(
        default=False,
        title="Trust Issue Bodies",
        description=(
            "Turn this on only if issues in your organisation never begin with an internal note. Pylon does not say "
            "whether the body of an issue is public. By default, a body that resembles an internal note of its issue "
            "is not synced, nor is any body or attachment of an issue whose messages are not read. With this option, "
            "the bodies of issues whose messages are not read are synced, with the attachments that they show. "
            f'<a href="{DOCUMENTATION_URL}">What that means for privacy</a>.'
        ),
        json_schema_extra={"order": 3, "group": "scope"},
    )
    num_workers: int = Field(
        default=10,
        ge=1,
        le=32,
        title="Number of Workers",
        description=(
            "How many requests for messages may run at the same time. More workers help only while Pylon responds "
            "slowly; usually its rate limits decide how long a sync takes."
        ),
        json_schema_extra={"order": 2, "group": "advanced"},
    )
    rate_limit_percent: int = Field(
        default=100,
        ge=1,
        le=100,
        title="Share of the Rate Limit (Percent)",
        description=(
            "The share of Pylon's rate limits that syncs may use. All integrations of your organisation share the same "
            "limits, so lower it if others need more of them. "
            f'<a href="{_PYLON_DOCS}/api-reference">Pylon\'s rate limits</a>.'
        ),
        json_schema_extra={"order": 3, "group": "advanced"},
    )
    custom_object_types: list[str] = Field(
        default=[],
        title="Custom Object Types",
        description=(
            "Types of custom objects for the stream custom_objects, by their slug in Pylon. Leave it empty if you do "
            "not sync custom objects."
        ),
        examples=[["contract", "subscription"]],
        json_schema_extra={"order": 2, "group": "scope"},
    )
    api_url: str | None = Field(
        default=None,
        title="API URL",
        description=(
            "Another address of the API, such as a gateway or a test server. It must use https; plain http is "
            "allowed for this machine only (localhost)."
        ),
        json_schema_extra={"order": 4, "group": "advanced", "airbyte_hidden": True},
    )

    @field_validator("api_token", mode="after")
    @classmethod
    def _token_is_usable(cls, value: str) -> str:
        value = value.strip()
        if not value:
            raise ValueError("is empty; create a token in Pylon under Settings, API Tokens")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("has characters that no token has; copy it from Pylon again")
        return value

    @field_validator("start_date", "api_url", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: Any) -> Any:
        # Airbyte's form sends an emptied text field as an empty string.
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("start_date", mode="after")
    @classmethod
    def _start_date_is_past(cls, value: str | None) -> str | None:
        if value is None:
            return None
        moment = parse(value)
        if moment is None:
            raise ValueError("is not a date; write it as 2025-01-01 or 2025-01-01T00:00:00Z")
        if moment > datetime.now(timezone.utc):
            raise ValueError("is in the future; choose a date in the past, or leave it empty")
        return value

    @field_validator("api_url", mode="after")
    @classmethod
    def _url_is_safe(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value.strip())
            host = parts.hostname
            _ = parts.port
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must be a plain address, without credentials, query or fragment")
        if not host or parts.scheme not in ("https", "http"):
            raise ValueError("must begin with https://")
        if parts.scheme == "http" and host not in _LOOPBACK:
            raise ValueError("must begin with https://; plain http is allowed for this machine only (localhost)")
        return value.strip().rstrip("/")

    @property
    def base_url(self) -> str:
        """The API's address, without a slash at its end."""
        return self.api_url or HOSTS[self.region]

    @property
    def start(self) -> datetime | None:
        """`start_date` as a moment in UTC, or None for all history."""
        return parse(self.start_date)

    @classmethod
    def load(cls, values: Any) -> "Config":
        """Return the configuration made of `values`; raises InvalidConfig with a text for the person who wrote it."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InvalidConfig("; ".join(_explain(problem) for problem in error.errors())) from None


def _explain(problem: Any) -> str:
    path = [str(part) for part in problem["loc"]]
    if not path:
        return "The configuration must be a JSON object"
    field = Config.model_fields.get(path[0])
    name = f"{field.title} ({path[0]})" if field else path[0]
    if problem["type"] == "missing":
        return f"{name} is missing"
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{name} {text}" if problem["type"] == "value_error" else f"{name}: {text}"


def connection_specification() -> dict[str, Any]:
    """Return the JSON schema of the configuration, with only what Airbyte's form and its linters accept.

    Airbyte's form shows the values of an enum as they are, and allows labels only for objects, so the description of
    an enum says what its values mean.
    """
    properties: dict[str, Any] = {}
    raw = Config.model_json_schema()["properties"]
    for name, described in raw.items():
        # Optional fields are left out rather than null; a union type would break Airbyte's form.
        variants = [item for item in described.pop("anyOf", ()) if item.get("type") != "null"]
        schema = {**(variants[0] if variants else {}), **described}
        if schema.get("default", ...) is None:
            del schema["default"]
        properties[name] = schema
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Pylon Source Spec",
        "type": "object",
        "required": ["api_token"],
        "additionalProperties": True,
        "groups": [{"id": group, "title": title} for group, title in GROUPS.items()],
        "properties": properties,
    }


def specification() -> dict[str, Any]:
    """Return Airbyte's ConnectorSpecification as plain JSON."""
    return {
        "documentationUrl": DOCUMENTATION_URL,
        "connectionSpecification": connection_specification(),
        "supportsIncremental": True,
        "supported_destination_sync_modes": ["overwrite", "append", "append_dedup"],
        "protocol_version": "0.2.0",
    }
