"""Every duration that the connector uses, each with its reason."""

from dataclasses import dataclass, replace
from datetime import timedelta


@dataclass(frozen=True)
class Timing:
    """Durations in real seconds (float) or as timedelta. Tests and benchmarks pass shorter ones."""

    minute: float = 60.0
    """Pylon counts requests per minute."""

    consistency_lag: timedelta = timedelta(minutes=10)
    """Pylon's search may show a change late; another vendor's connector waits about five minutes after each update.
    This is twice that. No state is more recent than this before the beginning of its sync."""

    search_window: timedelta = timedelta(days=29)
    """Widest time range of one search. A third party documents a limit of 30 days, and saw exactly 30 days refused
    because of time zones or timing."""

    connect_timeout: float = 10.0
    read_timeout: float = 90.0
    """Longest silence of a connection. Without it, a server that never responds would hang the sync."""

    response_deadline: float = 600.0
    """Longest time for a whole response: a body that arrives byte by byte never exceeds `read_timeout`."""

    retry_base: float = 1.0
    retry_cap: float = 60.0
    retry_attempts: int = 9
    """1 + 2 + 4 + ... up to 60 s a wait, with jitter: about four minutes, enough for a deployment or a
    failover at Pylon, far below the 90 minutes after which Airbyte kills a silent source."""

    time_limit: float = float("inf")
    """Longest total time of all requests of a client."""

    time_limit_of_check: float = 60.0
    attempts_of_check: int = 4
    read_timeout_of_check: float = 20.0
    """Shorter limits for `check`, because somebody is waiting at a form for its result."""

    longest_rate_limit_wait: float = 120.0
    """Pylon asks for waits of up to a minute. If a header asks for more (other APIs were seen to ask for a day), the
    request is sent again after this time."""

    rate_limit_patience: float = 3600.0
    """An endpoint that returned nothing but 429 for this long counts as broken."""

    checkpoint_interval: float = 60.0
    """Minimum time between two states of a stream; Airbyte asks for no more than about one a minute."""

    max_silence: float = 300.0
    """Longest time without a record or a state; then the latest states are repeated. Airbyte kills a source after 90
    silent minutes and restarts it from the same state, again and again."""

    heartbeat: float = 60.0
    """Time between two log lines that report the progress of the sync."""

    def for_check(self) -> "Timing":
        """Return a copy with the shorter limits of `check`."""
        return replace(
            self,
            retry_attempts=min(self.retry_attempts, self.attempts_of_check),
            read_timeout=min(self.read_timeout, self.read_timeout_of_check),
            time_limit=min(self.time_limit, self.time_limit_of_check),
        )
