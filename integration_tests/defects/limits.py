"""Defects in the signs of life and in the rate limits."""

from __future__ import annotations

from integration_tests.defects.planted import Defect, Edit

_PROGRESS = "output/progress.py"
_LIMIT = "api/rate_limit.py"

DEFECTS = (
    Defect(
        "no-status-while-refused",
        "during_repeated_429s_the_sync_waits_and_emits_states_log_lines_and_a_status",
        Edit(_PROGRESS, "            self.sink.rate_limited(stream)", "            pass"),
    ),
    Defect(
        "no-states-in-silence",
        "during_repeated_429s_the_sync_waits_and_emits_states_log_lines_and_a_status",
        Edit(_PROGRESS, "            self.sink.repeat_states()", "            pass"),
    ),
    Defect(
        "retries-not-logged",
        "during_retries_the_sync_emits_states_and_log_lines_that_name_the_endpoint",
        Edit(
            _PROGRESS, '        self._waits[endpoint.key] = (self._monotonic() + seconds, "before another try")\n', ""
        ),
    ),
    Defect(
        "slow-responses-not-logged",
        "during_a_slow_response_the_sync_emits_states_and_log_lines_that_name_the_endpoint",
        Edit(_PROGRESS, "for key, seconds in self.in_flight():", "for key, seconds in ():"),
    ),
    Defect(
        "own-waits-not-logged",
        "requests_held_back_by_the_connector_are_logged_with_the_time_left",
        Edit(_PROGRESS, "for key in self.waiting_endpoints():", "for key in ():"),
    ),
    Defect(
        "time-left-not-logged",
        "requests_held_back_by_the_connector_are_logged_with_the_time_left",
        Edit(
            "extraction/issues/reader.py",
            "is_timed = self._include_messages and expected > self._done",
            "is_timed = False",
        ),
    ),
    Defect(
        "states-invented",
        "before_the_first_record_there_are_log_lines_but_no_state",
        Edit(
            "output/runner.py",
            "if not self._is_ended and self._is_resumable and self._state:",
            "if not self._is_ended:",
        ),
    ),
    Defect(
        "no-estimates",
        "the_first_estimate_of_a_first_sync",
        Edit(
            "output/runner.py",
            "        self._put_trace(AirbyteTraceMessage(TraceType.ESTIMATE,",
            "        (AirbyteTraceMessage(TraceType.ESTIMATE,",
        ),
    ),
    Defect(
        "refusals-teach-nothing",
        "a_table_that_promises_too_much",
        Edit(_LIMIT, "            self._learn(now, wait)\n", "            pass\n"),
    ),
    Defect(
        "limit-never-grows",
        "nine_tenths_of_a_raised_limit",
        Edit(
            _LIMIT,
            "        if self._full_since is None or self._places >= self._ceiling",
            "        if self._full_since or self._places >= 0",
        ),
    ),
    Defect(
        "half-of-the-table-used",
        "a_correct_table_is_used_fully_and_hardly_ever_exceeded",
        Edit(_LIMIT, "self._places = float(self._table)", "self._places = 0.5 * self._table"),
    ),
    Defect(
        "calls-counted-when-sent",
        "a_correct_table_is_used_fully_and_hardly_ever_exceeded",
        Edit(
            _LIMIT,
            "while moments and moments[0] + self._minute <= now:",
            "while moments and moments[0] + 0.9 * self._minute <= now:",
        ),
    ),
    Defect(
        "burst-never-given-up",
        "a_burst_that_a_token_bucket_refuses",
        Edit(_LIMIT, "            self._has_burst = False\n", "            pass\n"),
    ),
    Defect(
        "burst-after-each-refusal",
        "a_token_bucket_is_used_fully_whatever_burst_it_allows",
        Edit(_LIMIT, "        self._burst_left = 0.0\n", "        self._burst_left = self._burst_size\n"),
    ),
    Defect(
        "limit-cut-without-bound",
        "an_even_client_that_needs_a_third",
        Edit(
            _LIMIT,
            "self._places = max(min(allowed, careful), self._places * _MAX_CUT, safe, 1.0)",
            "self._places = max(1.0, self._places * 0.01)",
        ),
    ),
    Defect(
        "refusals-ignored-between-clients",
        "clients_that_share_a_limit",
        Edit(_LIMIT, "            self._learn(now, wait)\n", "            pass\n"),
    ),
    Defect(
        "trials-an-hour-apart",
        "calls_that_another_integration_gives_up_are_found_again",
        Edit(
            _LIMIT,
            "longest = _TRIAL_PAUSE_MINUTES if self._places < self._table else _MAX_TRIAL_PAUSE_MINUTES",
            "longest = 60.0",
        ),
        Edit(_LIMIT, "min(_TRIAL_PAUSE_MINUTES * 2.0**self._failed_trials, longest)", "longest"),
    ),
    Defect(
        "share-exceeded",
        "a_share_of_the_table_is_never_exceeded",
        Edit(_LIMIT, "self._ceiling = math.inf if share == 1 else float(self._table)", 'self._ceiling = float("inf")'),
    ),
    Defect(
        "share-never-regained",
        "a_share_returns_to_its_ceiling_after_another_clients_burst",
        Edit(
            _LIMIT,
            "        if self._full_since is None or self._places >= self._ceiling",
            "        if self._full_since or self._places >= 0",
        ),
    ),
    Defect(
        "smaller-limit-not-logged",
        "a_smaller_limit_than_published",
        Edit("api/client.py", "            self._report_learned(endpoint, limiter.limit.learned)\n", ""),
    ),
    Defect(
        "larger-limit-not-found",
        "a_larger_limit_than_assumed_is_found_and_logged",
        Edit(
            _LIMIT,
            "        if self._full_since is None or self._places >= self._ceiling",
            "        if self._full_since or self._places >= 0",
        ),
    ),
    Defect(
        "request-with-an-unknown-parameter",
        "every_query_parameter_that_is_sent_is_declared",
        Edit("extraction/issues/history.py", '"end_time": render(upper)', '"until": render(upper)'),
    ),
    Defect(
        "limit-of-the-table-wrong",
        "the_whole_table_of_rate_limits",
        Edit("api/endpoints.py", "return 120 if is_slow else 300", "return 120 if is_slow else 240"),
    ),
    Defect(
        "rate-limit-percent-ignored",
        "a_share_of_the_rate_limit_is_kept_over_http",
        Edit("source.py", "share_percent=config.rate_limit_percent", "share_percent=100"),
    ),
)
