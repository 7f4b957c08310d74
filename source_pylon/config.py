"""The configuration: one model, every rule on it, and the spec that Airbyte's form is drawn from."""

from datetime import datetime, timezone
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from source_pylon.timestamps import parse

HOSTS = {"us": "https://api.usepylon.com", "eu": "https://api.eu.usepylon.com"}
DOCUMENTATION_URL = "https://docs.airbyte.com/integrations/sources/pylon"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))?$"


class InvalidConfig(ValueError):
    """The configuration cannot be used; the text names the field and what to change, never a value of it."""


class Config(BaseModel):
    """What a user sets. Unknown keys are ignored, as Airbyte expects."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    api_token: str = Field(
        title="API Token",
        description="Token of Pylon's API. An admin creates it in Pylon under Settings, API Tokens.",
        json_schema_extra={"airbyte_secret": True, "order": 0},
    )
    region: Literal["us", "eu"] = Field(
        default="us",
        title="Region",
        description="Where your Pylon organisation is hosted. A token works in its own region only.",
        json_schema_extra={"order": 1},
    )
    start_date: str | None = Field(
        default=None,
        title="Start Date",
        description=(
            "Issues, conversations and tickets (by their latest message, or their creation where there is none), "
            "call recordings and survey responses from this moment on are read. Leave it empty to read everything. "
            "Contacts and accounts are always read whole."
        ),
        examples=["2025-01-01", "2025-01-01T00:00:00Z"],
        json_schema_extra={"order": 2, "format": "date-time", "pattern": _DATE_PATTERN},
    )
    call_recordings_lookback_days: int = Field(
        default=7,
        ge=0,
        le=90,
        title="Call Recordings Lookback (Days)",
        description=(
            "Recordings and their summaries arrive in Pylon hours or days after the call. Each incremental sync "
            "reads the recordings of this many days again."
        ),
        json_schema_extra={"order": 3},
    )
    issues_lookback_days: int = Field(
        default=0,
        ge=0,
        le=90,
        title="Issues Lookback (Days)",
        description=(
            "Each incremental sync also reads the issues again whose latest message is that recent, for changes "
            "that no timestamp of Pylon's shows. It costs one message request for each such issue and sync; "
            "0 switches it off."
        ),
        json_schema_extra={"order": 4},
    )
    include_messages: bool = Field(
        default=True,
        title="Include Messages",
        description=(
            "Read the public messages of issues, conversations and tickets: one request for each new or changed "
            "issue. Switched off, a sync is much faster, but there is no feedback text, body or attachment of an issue "
            "unless Trust Issue Bodies is switched on."
        ),
        json_schema_extra={"order": 5},
    )
    trust_issue_body: bool = Field(
        default=False,
        title="Trust Issue Bodies",
        description=(
            "Pylon does not say whether the body of an issue is public: where an issue began with an internal note, "
            "the body is that note. The connector compares each body with the issue's internal notes and keeps back "
            "what matches, and where messages are not read it keeps back every body and attachment. Switch this on "
            "only if issues never begin with internal notes in your organisation: bodies are then synced, with the "
            "files that they show, also where messages are not read."
        ),
        json_schema_extra={"order": 6},
    )
    num_workers: int = Field(
        default=10,
        ge=1,
        le=32,
        title="Number of Workers",
        description=(
            "How many message requests may be under way at once. More pay only where Pylon answers slowly: its rate "
            "limits, not the workers, decide how long a sync takes."
        ),
        json_schema_extra={"order": 7},
    )
    rate_limit_percent: int = Field(
        default=100,
        ge=1,
        le=100,
        title="Share of the Rate Limit (Percent)",
        description=(
            "Share of Pylon's rate limits that this connector may use. All integrations of an organisation draw "
            "on the same limits: lower it when others need room."
        ),
        json_schema_extra={"order": 8},
    )
    custom_object_types: list[str] = Field(
        default=[],
        title="Custom Object Types",
        description="The types of custom objects that the stream custom_objects reads, by their slug in Pylon.",
        examples=[["contract", "subscription"]],
        json_schema_extra={"order": 9},
    )
    api_url: str | None = Field(
        default=None,
        title="API URL",
        description="Another address of the API, such as a gateway: https, or http on a loopback address only.",
        json_schema_extra={"order": 10, "airbyte_hidden": True},
    )

    @field_validator("api_token", mode="after")
    @classmethod
    def _token_is_usable(cls, value: str) -> str:
        value = value.strip()
        if not value:
            raise ValueError("is empty; create a token in Pylon under Settings, API Tokens")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("holds characters that no token has; copy it from Pylon again")
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
            raise ValueError("lies in the future; choose a date that has passed, or leave it empty")
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
            raise ValueError("must be an address alone, without credentials, query or fragment")
        if not host or parts.scheme not in ("https", "http"):
            raise ValueError("must begin with https://")
        if parts.scheme == "http" and host not in _LOOPBACK:
            raise ValueError("must begin with https://; plain http is for loopback addresses only")
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
        """The configuration made of `values`; raises InvalidConfig with a text for the person who filled it in."""
        if not isinstance(values, dict):
            values = dict(values) if hasattr(values, "keys") else values
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
    """The JSON schema of the configuration, in the plain form that Airbyte's form and its linters accept."""
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
        "properties": properties,
    }


def specification() -> dict[str, Any]:
    """Airbyte's ConnectorSpecification as plain JSON."""
    return {
        "documentationUrl": DOCUMENTATION_URL,
        "connectionSpecification": connection_specification(),
        "supportsIncremental": True,
        "supported_destination_sync_modes": ["overwrite", "append", "append_dedup"],
        "protocol_version": "0.2.0",
    }
