"""Every duration that the connector lives by, each with its reason."""

from dataclasses import dataclass, replace
from datetime import timedelta


@dataclass(frozen=True)
class Timing:
    """Durations in real seconds (float) or as timedelta. Tests and benchmarks pass scaled ones."""

    minute: float = 60.0
    """Pylon counts requests per minute."""

    consistency_lag: timedelta = timedelta(minutes=10)
    """Pylon's search may show a change late; another vendor's capture waits about five minutes after each
    update. Twice that: no state comes closer to the present."""

    search_window: timedelta = timedelta(days=29)
    """Widest range of time that one search asks for. A cap of 30 days is documented by one third party,
    whose 30 days were refused "by timezone or timing"."""

    connect_timeout: float = 10.0
    read_timeout: float = 90.0
    """Longest silence of a connection. Without it a server that never answers hangs the sync for ever."""

    answer_deadline: float = 600.0
    """Longest whole answer: a body that drips one byte at a time never trips `read_timeout`."""

    retry_base: float = 1.0
    retry_cap: float = 60.0
    retry_attempts: int = 9
    """1 + 2 + 4 + ... up to 60 s a wait, with jitter: about four minutes, enough for a deployment or a
    failover at Pylon, far below the 90 minutes after which Airbyte kills a silent source."""

    time_limit: float = float("inf")
    """Longest time of all requests of a client together."""

    time_limit_of_check: float = 60.0
    attempts_of_check: int = 4
    read_timeout_of_check: float = 20.0
    """Somebody waits before a form for what `check` says."""

    longest_rate_limit_wait: float = 120.0
    """Pylon's waits go up to a minute. A header that says more (a day was seen elsewhere) is not believed:
    after this long the connector asks again."""

    rate_limit_patience: float = 3600.0
    """An endpoint that answered nothing but 429 for this long counts as broken."""

    checkpoint_interval: float = 60.0
    """Minimum time between two states of a stream; Airbyte asks for no more than about one a minute."""

    max_silence: float = 300.0
    """Most time without a record or a state where there is one to give. Airbyte kills a source after 90 silent minutes
    and starts it again at the same state, for ever."""

    heartbeat: float = 60.0
    """Most time between two log lines that say how far the sync is."""

    def for_check(self) -> "Timing":
        """These durations, with less patience."""
        return replace(
            self,
            retry_attempts=min(self.retry_attempts, self.attempts_of_check),
            read_timeout=min(self.read_timeout, self.read_timeout_of_check),
            time_limit=min(self.time_limit, self.time_limit_of_check),
        )
