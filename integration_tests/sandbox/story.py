"""A story instead of random data: a support team, sixteen customers and what they write to each other in four months.

Every issue is a list of events, drawn once from the seed, that reaches beyond the end of the story. A record shows the
events up to a moment, and every number in it is computed from them, so times, states, seconds and messages agree.
Letting a day pass shows the events of that day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from html import escape
from random import Random
from typing import Any, NamedTuple

from integration_tests.sandbox import story_texts as texts
from integration_tests.sandbox.clock import DAY, HOUR, SECOND, SandboxClock, shown
from integration_tests.sandbox.dataset import blank, models, version_of
from integration_tests.sandbox.handle import Sandbox
from integration_tests.sandbox.issues import Message, Record, compose
from integration_tests.sandbox.options import Size
from integration_tests.sandbox.store import Store
from integration_tests.sandbox.text import identity, marker
from integration_tests.sandbox.versions import Version

END = datetime(2026, 10, 28, 18, tzinfo=timezone.utc)
"""When the story ends, unless a base time is given: always the same, so that a second sync finds nothing new."""
WEEKS = 17
_AHEAD = 21 * DAY
"""How far the events are drawn beyond the end of the story: so many days can pass."""
_OPENS, _CLOSES = 8 * HOUR, 18 * HOUR
_SHIFT = _CLOSES - _OPENS
_FIRST_RESPONSE = {"enterprise": 4 * HOUR, "growth": 12 * HOUR, "starter": 24 * HOUR}
_RESOLUTION = {"enterprise": 3 * DAY, "growth": 6 * DAY, "starter": 10 * DAY}
"""Service levels by what a customer pays for."""
_STATES = {"customer": "waiting_on_you", "team": "waiting_on_customer", "hold": "on_hold", "close": "closed"}
"""The state in which each kind of event leaves an issue; the others leave it as it is."""
_PRIORITIES = {"urgent": "Urgent", "high": "High", "medium": "Medium", "low": "Low"}


class Event(NamedTuple):
    """Something that happens to an issue: a message of the customer or the team, a note, hold, close or a rating."""

    at: int
    kind: str
    text: str = ""
    score: int = 0


@dataclass
class Plan:
    """An issue from its beginning to its end, whether or not it has come to it yet."""

    company: int
    person: int
    user: int
    topic: texts.Topic
    title: str
    source: str
    priority: str
    events: list[Event] = field(default_factory=list)
    nps: int | None = None

    @property
    def created(self) -> int:
        """When the customer wrote first."""
        return self.events[0].at


def worked(moment: int) -> int:
    """The working time (Monday to Friday, 8 to 18 o'clock UTC) from the first Monday of 1970 to a moment."""
    day, clock = divmod(moment - 4 * DAY, DAY)
    week, weekday = divmod(day, 7)
    shift = min(max(clock - _OPENS, 0), _SHIFT) if weekday < 5 else 0
    return (week * 5 + min(weekday, 5)) * _SHIFT + shift


def after_work(moment: int, hours: float) -> int:
    """The moment at which so many working hours have passed."""
    days, rest = divmod(worked(moment) + int(hours * HOUR) // SECOND * SECOND, _SHIFT)
    week, weekday = divmod(days, 5)
    return 4 * DAY + (week * 7 + weekday) * DAY + _OPENS + rest


class StorySandbox(Sandbox):
    """A sandbox with the story instead of random data. Its clock runs from the end of the story.

    The connector asks for changes since its last sync, by whichever clock is behind: here Pylon's.
    """

    def __init__(self, *, base_time: datetime = END, **options: Any) -> None:
        """`base_time` is the end of the story; `options` are those of `Sandbox` but for its size and clock."""
        super().__init__(size=Size.empty(), base_time=base_time, clock=SandboxClock(base_time), **options)
        self.story = Story(self.store)


class Story:
    """Draws the story and shows it in a store, up to `now`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seed = store.seed
        self._end = store.base
        self._rng = Random(f"{store.seed}/story")
        self._start = self._end // DAY * DAY - WEEKS * 7 * DAY
        self.plans = sorted(self._draw(), key=lambda plan: plan.created)
        self._survey_invitations()
        self._shown: dict[str, bytes] = {}
        self._fixed()
        self._calls_and_articles = list(self._conversations())
        self.now = self._start
        self.show(self._end)

    def day(self) -> None:
        """Lets a day pass, also on the sandbox's clock: what happens on it can now be read."""
        self._store.clock.advance(timedelta(days=1))
        self.show(self.now + DAY)

    def show(self, until: int) -> None:
        """Show everything that happens up to a moment (milliseconds), at most three weeks after the end."""
        if until > self._end + _AHEAD:
            raise ValueError("the story is not told any further")
        self.now = until
        with self._store.lock:
            for number, plan in enumerate(self.plans, 1):
                if plan.created <= until:
                    self._show_issue(number, plan)
            for kind, created, record in self._calls_and_articles:
                if created <= until:
                    self._put(kind, record, created)
            self._show_accounts()

    def _id(self, kind: str, *number: object) -> str:
        return identity(self._seed, "story", kind, *number)

    def _user(self, number: int) -> Record:
        name = texts.USERS[number][0]
        return {"id": self._id("users", number), "email": f"{name.split()[0].lower()}@meridian.example"}

    def _contact(self, company: int, person: int) -> Record:
        name = texts.COMPANIES[company].people[person]
        email = f"{name.lower().replace(' ', '.')}@{_domain(company)}"
        return {"id": self._id("contacts", company, person), "email": email}

    def _draw(self) -> Iterator[Plan]:
        rng, weeks = self._rng, WEEKS + _AHEAD // (7 * DAY)
        for number, company in enumerate(texts.COMPANIES):
            for week in range(weeks):
                share = min(week / WEEKS, 1.0)
                rate = company.early + (company.late - company.early) * share**2
                # A release in the tenth week broke several things for everybody.
                rate *= 1.7 if week == 10 else 1.0
                for _ in range(int(rate) + (rng.random() < rate % 1)):
                    yield self._issue(number, self._start + week * 7 * DAY)

    def _issue(self, company: int, week: int) -> Plan:
        rng, client = self._rng, texts.COMPANIES[company]
        topic = rng.choices(texts.TOPICS, [topic.weight for topic in texts.TOPICS])[0]
        users = [n for n, (_, team) in enumerate(texts.USERS) if team == topic.team]
        plan = Plan(
            company=company,
            person=rng.randrange(len(client.people)),
            user=rng.choice(users),
            topic=topic,
            title="",
            source=rng.choices(["email", "slack", "chat_widget"], [5, 4, 2])[0],
            priority=rng.choices(list(_PRIORITIES), [1, 3, 5, 3] if topic.is_ticket else [0, 1, 5, 4])[0],
        )
        words = {name: rng.choice(choices) for name, choices in texts.WORDS.items()}
        words["company"] = client.name
        words["customer"] = client.people[plan.person].split()[0]
        words["agent"] = texts.USERS[plan.user][0].split()[0]
        self._converse(plan, after_work(week, rng.random() * 50), words, client.mood)
        return plan

    def _converse(self, plan: Plan, at: int, words: dict[str, str], mood: float) -> None:
        """Draws the events of an issue. Customers in a bad mood wait longer, chase, and see problems come back."""
        rng, topic, step = self._rng, plan.topic, plan.events.append
        slow = (1.5 - mood) * {0: 0.4, 1: 1.2, 2: 0.7}[topic.team]
        urgency = {"urgent": 0.3, "high": 0.6, "medium": 1.0, "low": 1.6}[plan.priority]

        def say(kind: str, choices: tuple[str, ...], hours: float) -> None:
            nonlocal at
            at = after_work(at, min(hours, 30)) + rng.randrange(600) * SECOND
            step(Event(at, kind, _html(rng.choice(choices).format_map(words), kind, words)))

        variant = rng.randrange(len(topic.openings))
        plan.title = topic.titles[variant].format_map(words)
        step(Event(at, "customer", _html(topic.openings[variant].format_map(words), "customer", words)))
        if rng.random() < 0.2 * slow:
            say("customer", texts.CHASERS, 4 + rng.expovariate(0.2))
        say("team", topic.questions, 0.2 + rng.expovariate(1 / (2.2 * slow * urgency)))
        first_answer = at - plan.created
        if rng.random() < 0.8:
            say("customer", topic.details, 0.3 + rng.expovariate(0.4))
        if topic.is_ticket and rng.random() < 0.5:
            say("note", (topic.note,), 1)
            step(Event(at + 60 * SECOND, "hold"))
            if rng.random() < 0.55:
                # It waits for engineering.
                at += rng.randrange(2, 16) * DAY
        say("team", topic.fixes[variant : variant + 1], 0.5 + rng.expovariate(1 / (6 * slow * urgency)))
        warm, cool = texts.THANKS[topic.is_ticket]
        say("customer", warm if rng.random() < mood + 0.1 else cool, 0.3 + rng.expovariate(0.3))
        step(Event(at + rng.randrange(5, 90) * 60 * SECOND, "close"))
        came_back = topic.is_ticket and rng.random() < 0.30 * (1.15 - mood)
        if came_back:
            at += rng.randrange(24, 120) * HOUR
            say("customer", texts.RETURNS, 0)
            say("team", texts.SECOND_FIXES, 1 + rng.expovariate(0.3))
            step(Event(at + rng.randrange(1, 20) * HOUR, "close"))
        if rng.random() < 0.5:
            wait = 0.6 if first_answer > _FIRST_RESPONSE[texts.COMPANIES[plan.company].tier] else 0.0
            score = min(5, max(1, round(rng.gauss(1.9 + 3.3 * mood - wait - came_back, 0.7))))
            comment = rng.choice(texts.RATINGS[score]).format_map(words)
            step(Event(plan.events[-1].at + rng.randrange(1, 30) * HOUR, "rating", comment, score))

    def _survey_invitations(self) -> None:
        """After about every second resolved issue a contact is asked for its NPS, at most once in five weeks."""
        asked: dict[tuple[int, int], int] = {}
        for number, plan in enumerate(self.plans):
            rng, who = Random(f"{self._seed}/nps/{number}"), (plan.company, plan.person)
            closed = _last(plan.events, "close")
            if rng.random() < 0.5 or closed - asked.get(who, 0) < 35 * DAY:
                continue
            asked[who] = closed
            if rng.random() < 0.75:
                plan.nps = min(10, max(0, round(rng.gauss(3.2 + 7 * texts.COMPANIES[plan.company].mood, 1.3))))

    def _show_issue(self, number: int, plan: Plan) -> None:
        events = [event for event in plan.events if event.at <= self.now]
        record = self._issue_record(number, plan, events)
        thread = [self._message(number, plan, event) for event in events if event.kind in ("customer", "team", "note")]
        updated = max(event.at for event in events)
        version = self._store.dataset.issues.wrap(record, plan.created, updated, thread)
        if self._is_new(version):
            self._store.put_issue(version, thread)
        for event in events:
            if event.kind == "rating":
                self._response("csat", number, plan, event.at, event.score, event.text)
        asked = _last(plan.events, "close") + 20 * HOUR
        if plan.nps is not None and asked <= self.now:
            choices = texts.PROMOTER if plan.nps > 8 else texts.PASSIVE if plan.nps > 6 else texts.DETRACTOR
            comment = Random(f"{self._seed}/why/{number}").choice(choices)
            topic = texts.TOPIC_NAMES[plan.topic.slug]
            comment = comment.format(topic=topic.capitalize() if comment.find(". {topic}") > 0 else topic)
            self._response("nps", number, plan, asked, plan.nps, comment)

    def _issue_record(self, number: int, plan: Plan, events: list[Event]) -> Record:
        created, tier = plan.created, texts.COMPANIES[plan.company].tier
        state, since = "new", created
        first_response: int | None = None
        closes: list[int] = []
        spent: dict[str, int] = {}
        spent_working: dict[str, int] = {}
        for event in [*events[1:], Event(self.now, "end")]:
            spent[state] = spent.get(state, 0) + event.at - since
            spent_working[state] = spent_working.get(state, 0) + worked(event.at) - worked(since)
            since = event.at
            if event.kind == "team" and first_response is None:
                first_response = event.at
            if event.kind == "close":
                closes.append(event.at)
            if not (state == "new" and event.kind == "customer"):
                state = _STATES.get(event.kind, state)
        resolved = closes[-1] if closes and state == "closed" else None
        respond_by, resolve_by = created + _FIRST_RESPONSE[tier], created + _RESOLUTION[tier]
        messages = [event for event in events if event.kind in ("customer", "team", "note")]
        team = self._id("teams", plan.topic.team)
        return {
            **blank("issues"),
            "id": self._id("issues", number),
            "number": number,
            "title": plan.title,
            "link": f"https://app.usepylon.com/issues?issueNumber={number}",
            "body_html": events[0].text,
            "state": state,
            "source": plan.source,
            "type": "ticket" if plan.topic.is_ticket else "conversation",
            "created_at": shown(created),
            "updated_at": shown(max(event.at for event in events)),
            "latest_message_time": shown(messages[-1].at),
            "account": {"id": self._id("accounts", plan.company)},
            "requester": self._contact(plan.company, plan.person),
            "assignee": self._user(plan.user),
            "team": {"id": team},
            "tags": [plan.topic.slug] + (["reopened"] if len(closes) > 1 or (closes and state != "closed") else []),
            "custom_fields": {"priority": {"slug": "priority", "value": plan.priority}},
            "number_of_touches": sum(event.kind in ("team", "note") for event in events),
            "customer_portal_visible": True,
            "first_response_time": _shown(first_response),
            **_seconds("first_response_seconds", created, first_response),
            "first_response_breach_time": shown(respond_by),
            "first_resolution_time": _shown(closes[0] if closes else None),
            "resolution_time": _shown(resolved),
            **_seconds("resolution_seconds", created, resolved),
            "resolution_breach_time": None if resolved else shown(resolve_by),
            "team_slas": [
                {
                    "team_id": team,
                    "first_response": _service_level(created, respond_by, first_response),
                    "first_resolution": _service_level(created, resolve_by, closes[0] if closes else None),
                    "resolution": _service_level(created, resolve_by, resolved),
                }
            ],
            "time_in_status_seconds": {name: time // SECOND for name, time in spent.items()},
            "business_hours_time_in_status_seconds": {name: time // SECOND for name, time in spent_working.items()},
            "csat_responses": [
                {"score": event.score, "comment": event.text or None} for event in events if event.kind == "rating"
            ],
        }

    def _message(self, number: int, plan: Plan, event: Event) -> Message:
        key, private = self._id("messages", number, event.at), event.kind == "note"
        if event.kind == "customer":
            name = texts.COMPANIES[plan.company].people[plan.person]
            author = {"name": name, "avatar_url": "", "contact": self._contact(plan.company, plan.person)}
        else:
            author = {"name": texts.USERS[plan.user][0], "avatar_url": "", "user": self._user(plan.user)}
        secret = marker(self._seed, key) if private else None
        if secret:
            self._store.markers.add(secret)
        record = compose(Random(key), key, event.at, author, event.text, secret, [])
        record |= {"source": plan.source, "author_unverified": False}
        if plan.source != "email":
            record["email_info"] = None
        return Message(event.at, private, record)

    def _response(self, kind: str, number: int, plan: Plan, at: int, score: int, comment: str) -> None:
        survey = self._id("surveys", kind)
        asked = (texts.RATING_QUESTION, texts.RATING_WHY) if kind == "csat" else (texts.NPS_QUESTION, texts.NPS_WHY)
        answers = [
            {"prompt": prompt, "question_id": self._id(kind, what), "question_type": what, "value": value}
            for prompt, what, value in zip(asked, ("score", "comment"), (str(score), comment), strict=True)
            if value
        ]
        record = {
            "id": self._id("responses", kind, number),
            **{"survey_id": survey, "survey_type": kind, "survey_instance_id": self._id("instances", kind, number)},
            "submitted_at": shown(at),
            "answers": answers,
            "issue_id": self._id("issues", number),
            "contact_id": self._contact(plan.company, plan.person)["id"],
            "account_id": self._id("accounts", plan.company),
        }
        self._put("survey_responses", record, at, survey)

    def _fixed(self) -> None:
        """Puts what does not change: the team, the contacts, surveys, statuses, the knowledge base."""
        for number, name in enumerate(texts.TEAMS):
            members = [self._user(user) for user, (_, team) in enumerate(texts.USERS) if team == number]
            self._put("teams", {"id": self._id("teams", number), "name": name, "users": members})
        for number, (name, _) in enumerate(texts.USERS):
            user = self._user(number)
            self._put("users", {**user, "name": name, "emails": [user["email"]], "status": "active"})
        for company, client in enumerate(texts.COMPANIES):
            for person, name in enumerate(client.people):
                contact, account = self._contact(company, person), {"id": self._id("accounts", company)}
                self._put("contacts", {**contact, "name": name, "emails": [contact["email"]], "account": account})
        for kind, name in (("csat", "Support satisfaction"), ("nps", "Would you recommend us?")):
            self._put("surveys", {"id": self._id("surveys", kind), "name": name, "type": kind})
        for slug in ("new", "waiting_on_you", "waiting_on_customer", "on_hold", "closed"):
            status = {"slug": slug, "label": slug.replace("_", " ").capitalize(), "category": slug}
            self._put("issue_statuses", {"id": self._id("statuses", slug), **status})
        options = {"options": [{"label": label, "slug": slug} for slug, label in _PRIORITIES.items()]}
        priority = {"object_type": "issue", "slug": "priority", "label": "Priority", "type": "select"}
        self._put("custom_fields", {"id": self._id("fields"), **priority, "select_metadata": options})
        base = self._id("knowledge_bases")
        self._put("knowledge_bases", {"id": base, "title": "Help centre", "slug": "help", "default_language": "en"})
        for number, title in enumerate(texts.ARTICLES):
            slug = title.lower().replace(" ", "-")
            article: Record = {"id": self._id("articles", number), "title": title, "slug": slug, "is_published": True}
            article |= {"identifier": f"a{number}", "url": f"https://help.meridian.example/{slug}"}
            self._put("knowledge_base_articles", article, parent=base)

    def _conversations(self) -> Iterator[tuple[str, int, Record]]:
        """The calls with customers, and what readers say about articles: kind, time and record."""
        rng = Random(f"{self._seed}/calls")
        for company, client in enumerate(texts.COMPANIES):
            at, number = after_work(self._start + rng.randrange(35) * DAY, rng.random() * 9), 0
            while at < self._end + _AHEAD:
                topics = [plan.topic.slug for plan in self.plans if plan.company == company and plan.created < at]
                topic = texts.TOPIC_NAMES[topics[-1] if topics else "onboarding"]
                tone = "good" if client.mood > 0.7 else "mixed" if client.mood > 0.45 else "bad"
                user = company % len(texts.USERS)
                words = {"people": " and ".join(client.people[:2]), "topic": topic, "agent": texts.USERS[user][0]}
                summary = texts.CALLS[tone].format_map(words)
                if len(client.people) == 1:
                    summary = summary.replace(" are ", " is ", 1).replace(" like ", " likes ", 1)
                participants = [self._contact(company, n)["email"] for n in range(len(client.people[:2]))]
                length = rng.randrange(25, 55) * 60 * SECOND
                call: Record = {"id": self._id("calls", company, number), "title": f"{client.name}: customer review"}
                call |= {"start_time": shown(at), "end_time": shown(at + length), "duration_ms": length}
                call |= {"summary": summary, "account_id": self._id("accounts", company), "source": "zoom"}
                call |= {"participant_emails": [*participants, self._user(user)["email"]]}
                call |= {
                    "url": f"https://calls.meridian.example/{company}-{number}",
                    "external_id": f"{company}-{number}",
                }
                yield "call_recordings", at + length, call
                at, number = after_work(at + rng.randrange(32, 46) * DAY, rng.random() * 4), number + 1
        for number in range(60):
            at = self._start + rng.randrange((self._end + _AHEAD - self._start) // SECOND) * SECOND
            company = rng.randrange(len(texts.COMPANIES))
            contact = self._contact(company, rng.randrange(len(texts.COMPANIES[company].people)))
            score = rng.choices([1, 2, 3, 4, 5], [1, 1, 2, 4, 5])[0]
            remark: Record = {
                "id": self._id("article feedback", number),
                "score": score,
                "submitter": {"contact": contact},
            }
            remark |= {"comment": rng.choice(texts.ARTICLE_COMMENTS[score]) or None, "submitted_at": shown(at)}
            remark |= {"article_id": self._id("articles", rng.randrange(len(texts.ARTICLES)))}
            yield "article_feedback", at, remark | {"knowledge_base_id": self._id("knowledge_bases")}

    def _show_accounts(self) -> None:
        for number, client in enumerate(texts.COMPANIES):
            seen = [e.at for p in self.plans if p.company == number for e in p.events if e.kind == "customer"]
            active = max((at for at in seen if at <= self.now), default=self._start)
            account: Record = {"id": self._id("accounts", number), "name": client.name, "type": "customer"}
            account |= {"domain": _domain(number), "domains": [_domain(number)], "primary_domain": _domain(number)}
            account |= {"owner": self._user(number % len(texts.USERS)), "tags": [client.tier]}
            account |= {"latest_customer_activity_time": shown(active), "updated_at": shown(active)}
            self._put("accounts", account)

    def _put(self, kind: str, record: Record, created: int | None = None, parent: str | None = None) -> None:
        created = self._start if created is None else created
        moment = shown(created)
        defaults = {"created_at": moment, "updated_at": moment}
        record = {**blank(kind), **{k: v for k, v in defaults.items() if k in models()[kind].model_fields}, **record}
        version = version_of(kind, (created, record["id"]), record, parent)
        if self._is_new(version):
            self._store.collection(kind).put(version, 0)

    def _is_new(self, version: Version) -> bool:
        old, self._shown[version.id] = self._shown.get(version.id), version.raw
        return old != version.raw


def _domain(company: int) -> str:
    return "".join(filter(str.isalnum, texts.COMPANIES[company].name.lower())) + ".example"


def _html(text: str, kind: str, words: dict[str, str]) -> str:
    if kind == "note":
        return f"<p>{escape(text)}</p>"
    greeted, signed = ("agent", "customer") if kind == "customer" else ("customer", "agent")
    hello = f"<p>Hi {escape(words[greeted])},</p>" if text[0].islower() or kind == "team" else ""
    return f"{hello}<p>{escape(text)}</p><p>{escape(words[signed])}</p>"


def _last(events: list[Event], kind: str) -> int:
    return max(event.at for event in events if event.kind == kind)


def _shown(moment: int | None) -> str | None:
    return None if moment is None else shown(moment)


def _seconds(name: str, start: int, end: int | None) -> Record:
    """The calendar and the working time between two moments, under a field's name; nulls for what has not happened."""
    if end is None:
        return {name: None, f"business_hours_{name}": None}
    # Records show whole seconds.
    calendar = end // SECOND - start // SECOND
    return {name: calendar, f"business_hours_{name}": (worked(end) - worked(start)) // SECOND}


def _service_level(start: int, breach: int, end: int | None) -> Record:
    times = _seconds("seconds", start, end)
    return {"breach_time": shown(breach), "time": _shown(end), **times}
