"""Records of the data set other than issues that streams rely on: accounts, contacts, users, calls, surveys."""

from __future__ import annotations

from random import Random
from typing import Any

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import DAY, HOUR, SECOND, shown
from integration_tests.sandbox.options import Size
from integration_tests.sandbox.versions import Version, encode

CALL_SOURCES = ("gong", "fathom", "grain", "granola", "custom_call_recorder")
SURVEY_TYPES = ("nps", "csat", "custom")


class RecordFactory:
    """Makes records by kind and number; `base` is the end of the history (milliseconds), `span` its length."""

    def __init__(self, seed: int, size: Size, base: int, span: int) -> None:
        """Nothing is made yet."""
        self._seed = seed
        self._size = size
        self._base = base
        self._span = span

    def rng(self, kind: str, number: int) -> Random:
        """The source of all that is drawn for one object."""
        return Random(f"{self._seed}/{kind}/{number}")

    def id(self, kind: str, number: int) -> str:
        """The id of an object."""
        return text.identity(self._seed, kind, number)

    def moment(self, rng: Random) -> int:
        """A time within the history, rather recent."""
        return self._base - int(self._span * rng.random() ** 2)

    def account(self, number: int) -> Version:
        """An account."""
        rng = self.rng("accounts", number)
        return self.new_account(rng, self.id("accounts", number), number, self.moment(rng))

    def new_account(self, rng: Random, identity: str, number: int, created: int) -> Version:
        """An account created at a given time."""
        updated = min(max(self._base, created), created + int(rng.expovariate(1 / (30 * DAY))))
        company = text.COMPANIES[number % len(text.COMPANIES)]
        domain = f"{company.lower()}{number}.example"
        record: dict[str, Any] = {
            "id": identity,
            "name": f"{company} {number}" + (" 株式会社" if number % 9 == 0 else ""),
            "created_at": shown(created),
            "updated_at": shown(updated),
            "domain": domain,
            "domains": [domain],
            "primary_domain": domain,
            "type": ("customer", "prospect", "partner")[number % 3],
            "owner": {"id": self._some_user(rng)} if rng.random() < 0.6 and self._size.users else None,
            "tags": ["enterprise"] if rng.random() < 0.3 else None,
            "external_ids": [{"external_id": f"crm-{number}", "label": "crm"}] if rng.random() < 0.3 else None,
            "custom_fields": {"tier": {"slug": "tier", "value": "gold"}} if rng.random() < 0.3 else {},
            "channels": [],
            "is_disabled": False,
            "latest_customer_activity_time": shown(updated) if rng.random() < 0.7 else None,
        }
        if rng.random() < 0.4:
            record["crm_settings"] = {"details": [{"id": f"00{number:06d}", "source": "salesforce"}]}
        for name in ("primary_domain", "is_disabled", "latest_customer_activity_time"):
            if rng.random() < 0.15:
                del record[name]
        return Version((created, identity), encode(record), {"updated_at": updated})

    def contact(self, number: int) -> Version:
        """A contact."""
        rng = self.rng("contacts", number)
        return self.new_contact(rng, self.id("contacts", number), number, self.moment(rng))

    def new_contact(self, rng: Random, identity: str, number: int, created: int) -> Version:
        """A contact created at a given time, which its record does not show."""
        email = f"person{number}@customer.example"
        record: dict[str, Any] = {
            "id": identity,
            "name": text.NAMES[number % len(text.NAMES)],
            "email": email if rng.random() < 0.9 else None,
            "emails": [email],
            "account": None,
            "avatar_url": f"https://avatars.sandbox.invalid/{number}.png" if rng.random() < 0.5 else "",
            "custom_fields": {} if rng.random() < 0.8 else {"seats": {"slug": "seats", "value": str(number)}},
            "external_ids": None,
            "integration_user_ids": [],
            "phone_numbers": [],
            "portal_role": ("no_access", "member", "admin")[number % 3],
            "portal_role_id": None,
        }
        if self._size.accounts and rng.random() < 0.85:
            owner = int(rng.random() * self._size.accounts)
            record["account"] = {"id": self.id("accounts", owner)}
        for name in ("avatar_url", "portal_role_id", "phone_numbers"):
            if rng.random() < 0.15:
                del record[name]
        return Version((created, identity), encode(record), {})

    def user(self, number: int) -> Version:
        """A user; every fifth is deactivated."""
        rng = self.rng("users", number)
        email = f"agent{number}@vendor.example"
        record = {
            "id": self.id("users", number),
            "name": text.NAMES[number % len(text.NAMES)],
            "email": email,
            "emails": [email],
            "avatar_url": "",
            "role_id": self.id("user_roles", number % 2),
            "role": {"id": self.id("user_roles", number % 2), "name": "Admin", "slug": "admin"},
            "status": "deactivated" if number % 5 == 4 else ("active", "away")[number % 2],
        }
        return Version((self.moment(rng), str(record["id"])), encode(record), {})

    def team(self, number: int) -> Version:
        """A team with up to three users."""
        rng = self.rng("teams", number)
        members = range(min(3, self._size.users))
        record = {
            "id": self.id("teams", number),
            "name": f"Team {number}",
            "users": [{"id": self.id("users", n), "email": f"agent{n}@vendor.example"} for n in members],
        }
        return Version((self.moment(rng), str(record["id"])), encode(record), {})

    def call_recording(self, number: int) -> Version:
        """A call recording; a third of them appear days after the call."""
        rng = self.rng("call_recordings", number)
        start = self.moment(rng)
        delay = int(rng.random() * 5 * DAY) if number % 3 == 0 else 2 * HOUR
        created = max(start, min(self._base, start + delay))
        return self.new_call_recording(rng, self.id("call_recordings", number), number, start, created)

    def new_call_recording(self, rng: Random, identity: str, number: int, start: int, created: int) -> Version:
        """A recording of a call that began at `start` and that Pylon has had since `created`."""
        duration = int(rng.random() * 3600) * SECOND
        record: dict[str, Any] = {
            "id": identity,
            "title": text.title(rng) if rng.random() < 0.85 else None,
            "summary": f"{text.sentence(rng)}\n\n- {text.sentence(rng)}" if rng.random() < 0.7 else None,
            "start_time": shown(start),
            "end_time": shown(start + duration),
            "duration_ms": duration,
            "created_at": shown(created),
            "updated_at": shown(created),
            "source": CALL_SOURCES[number % len(CALL_SOURCES)],
            "external_id": f"ext-{number}",
            "calendar_event_id": None,
            "participant_emails": [f"person{number}@customer.example", "agent0@vendor.example"],
            "url": f"https://calls.sandbox.invalid/{number}",
            "account_id": None,
            "custom_fields": {},
        }
        if self._size.accounts and rng.random() < 0.8:
            record["account_id"] = self.id("accounts", int(rng.random() * self._size.accounts))
        for name in ("title", "summary", "calendar_event_id", "custom_fields"):
            if rng.random() < 0.1:
                del record[name]
        return Version((created, identity), encode(record), {"start_time": start})

    def survey(self, number: int) -> Version:
        """A survey; the types take turns."""
        rng = self.rng("surveys", number)
        kind = SURVEY_TYPES[number % len(SURVEY_TYPES)]
        return self.new_survey(self.id("surveys", number), f"{kind.upper()} {number}, été", kind, self.moment(rng))

    def new_survey(self, identity: str, name: str, kind: str, created: int) -> Version:
        """A survey of a given type."""
        record = {"id": identity, "name": name, "type": kind, "updated_at": shown(created)}
        return Version((created, identity), encode(record), {"updated_at": created}, kind=kind)

    def survey_response(self, number: int) -> Version:
        """A response; the last survey gets none if there is more than one."""
        rng = self.rng("survey_responses", number)
        answered = max(1, self._size.surveys - 1)
        survey = self.id("surveys", number % answered)
        return self.new_survey_response(rng, self.id("survey_responses", number), survey, self.moment(rng))

    def new_survey_response(self, rng: Random, identity: str, survey: str, submitted: int) -> Version:
        """A response to one survey, which its record does not name."""
        answers: list[dict[str, Any]] = [
            {
                "prompt": "How likely are you to recommend us?",
                "question_type": "score",
                "value": str(int(rng.random() * 11)),
            }
        ]
        if rng.random() < 0.7:
            answers.append({"prompt": "Why? 💬", "question_type": "comment", "value": text.sentence(rng)})
        record: dict[str, Any] = {
            "id": identity,
            "submitted_at": shown(submitted),
            "answers": answers if rng.random() < 0.95 else None,
            "account_id": None,
            "contact_id": None,
        }
        if self._size.contacts and rng.random() < 0.9:
            record["contact_id"] = self.id("contacts", int(rng.random() * self._size.contacts))
        if self._size.accounts and rng.random() < 0.7:
            record["account_id"] = self.id("accounts", int(rng.random() * self._size.accounts))
        return Version((submitted, identity), encode(record), {"submitted_at": submitted}, parent=survey)

    def _some_user(self, rng: Random) -> str:
        return self.id("users", int(rng.random() * self._size.users))
