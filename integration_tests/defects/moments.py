"""Defects in how the connector handles times: windows, bounds, clocks, start dates and lookbacks."""

from __future__ import annotations

from integration_tests.defects.planted import Defect, Edit

_PASSES = "extraction/issues/passes.py"
_WINDOWS = "extraction/time_windows.py"

DEFECTS = (
    Defect(
        "no-consistency-lag",
        "what_search_shows_late_is_emitted_by_a_later_sync",
        Edit("extraction/stream.py", "(started_at - self.timing.consistency_lag)", "started_at"),
    ),
    Defect(
        "horizon-moves-on",
        "what_changes_while_a_sync_runs_is_emitted_by_it_or_the_next",
        Edit("extraction/stream.py", "clock.earliest() - elapsed", "clock.earliest() - 0 * elapsed"),
    ),
    Defect(
        "changed-issue-twice",
        "an_issue_that_moves_between_windows",
        Edit(
            "extraction/issues/recipient.py",
            "        if identity in self._seen:\n            return False\n",
            "",
        ),
    ),
    Defect(
        "exclusive-bounds",
        "issues_with_equal_times_at_every_bound_are_emitted_once_each",
        Edit(_WINDOWS, "render((window.after - SECOND).replace(microsecond=0))", "render(window.after + SECOND)"),
    ),
    Defect(
        "no-extra-second-at-the-lower-bound",
        "issues_with_equal_times_at_every_bound_are_emitted_once_each",
        Edit(_WINDOWS, "render((window.after - SECOND).replace(microsecond=0))", "render(window.after)"),
    ),
    Defect(
        "no-extra-second-at-the-upper-bound",
        "issues_with_equal_times_at_every_bound_are_emitted_once_each",
        Edit(_WINDOWS, "render((window.until + 2 * SECOND).replace(microsecond=0))", "render(window.until)"),
    ),
    Defect(
        "second-of-the-state-taken-for-read",
        "a_machine_whose_clock_is_wrong_by_minutes",
        Edit(
            "extraction/stream.py",
            ".replace(microsecond=0) - timedelta(seconds=1)",
            ".replace(microsecond=0) + timedelta(seconds=2)",
        ),
    ),
    Defect(
        "seconds-after-a-state-skipped",
        "changes_in_the_seconds_after_a_state",
        Edit(_WINDOWS, "render((window.after - SECOND).replace(microsecond=0))", "render(window.after + 3 * SECOND)"),
    ),
    Defect(
        "state-in-the-middle-of-a-second",
        "a_second_with_more_issues_than_a_checkpoint_holds",
        Edit(_PASSES, "return max(back_to, min(created) + SECOND) if created else None", "return min(created)"),
    ),
    Defect(
        "wrong-clock-trusted",
        "a_machine_whose_clock_is_wrong_by_minutes",
        Edit(
            "api/clock.py",
            "return self.machine() + min(self._offset or timedelta(0), timedelta(0))",
            "return self.machine()",
        ),
    ),
    Defect(
        "clock-read-again",
        "a_clock_that_keeps_jumping_back_and_forth_loses_nothing",
        Edit("api/clock.py", "self._began, self._began_at = now(), monotonic()", "self._now = now"),
        Edit(
            "api/clock.py",
            "return self._began + timedelta(seconds=self._monotonic() - self._began_at)",
            "return self._now()",
        ),
    ),
    Defect(
        "promise-not-frozen",
        "what_changes_while_a_sync_runs_is_emitted_by_it_or_the_next",
        Edit("extraction/stream.py", "clock.earliest() - elapsed", "clock.earliest() - 0 * elapsed"),
        Edit("extraction/stream.py", "(started_at - self.timing.consistency_lag)", "started_at"),
    ),
    Defect(
        "issue-streams-read-apart",
        "a_stream_without_issues_costs_no_request",
        Edit("extraction/issues/stream.py", '    group = "issues"', "    group = None"),
    ),
    Defect(
        "no-lookback-of-survey-responses",
        "what_is_added_to_a_survey_response_within_a_week",
        Edit("streams/surveys.py", "return timedelta(days=7)", "return timedelta(days=0)"),
    ),
    Defect(
        "a-day-between-ranges-lost",
        "a_history_around_leap_days",
        Edit(
            "extraction/issues/history.py",
            "            upper = lower\n            if not found",
            "            upper = lower - DAY\n            if not found",
        ),
    ),
    Defect(
        "times-in-local-time",
        "syncs_across_leap_days",
        Edit("timestamps.py", "moment.astimezone(timezone.utc).replace", "moment.astimezone().replace"),
    ),
    Defect(
        "refused-range-ends-the-stream",
        "a_server_that_refuses_ranges_over_30_days",
        Edit(
            "extraction/issues/history.py",
            " as refusal:\n                if found or self._list_refused:",
            " as refusal:\n                if not self._list_refused:",
        ),
    ),
    Defect(
        "issues-lookback-ignored",
        "issues_within_the_lookback_are_read_again",
        Edit(
            _PASSES, "lookback = timedelta(days=self._context.config.issues_lookback_days)", "lookback = timedelta(0)"
        ),
    ),
    Defect(
        "earlier-start-date-ignored",
        "a_start_date_moved_back_reads_what_lies_before_the_old_one",
        Edit("extraction/stream.py", "(since is None or since < read_since):", "since is read_since:"),
    ),
    Defect(
        "later-start-date-kept",
        "a_start_date_moved_forward_and_back_reads_nothing_again",
        Edit("extraction/stream.py", "                since = read_since\n", "                pass\n"),
    ),
    Defect(
        "merged-issue-tried-for-ever",
        "an_unread_issue_that_was_merged_is_emitted_as_the_one_it_was_merged_into",
        Edit(_PASSES, 'is_merged = str(issue["id"]) != issue_id', "is_merged = False"),
    ),
    Defect(
        "response-without-an-issue-not-logged",
        "an_issue_for_which_pylon_returns_nothing_stays_in_the_state_and_is_reported",
        Edit(
            _PASSES,
            "issue = self._issue(issue_id)",
            'issue = self._context.client.request(ISSUE, issue_id).get("data")\n'
            "                if not issue:\n"
            "                    continue",
        ),
    ),
    Defect(
        "record-at-the-start-date-lost",
        "a_record_exactly_at_the_start_date",
        Edit("extraction/cursors.py", "after_start = start - TICK if start else None", "after_start = start"),
    ),
    Defect(
        "issue-at-the-start-date-lost",
        "a_record_exactly_at_the_start_date",
        Edit("extraction/issues/history.py", "elif lower <= created < upper:", "elif lower < created < upper:"),
    ),
    Defect(
        "records-before-the-start-date-in-a-second-sync",
        "a_second_sync_emits_nothing_from_before_the_start_date",
        Edit("extraction/cursors.py", "return max(reread, after_start) if after_start else reread", "return reread"),
    ),
    Defect(
        "issues-before-the-start-date-in-a-second-sync",
        "a_second_sync_emits_nothing_from_before_the_start_date",
        Edit(
            "extraction/issues/recipient.py",
            "if not self.stream.accepts(listed) or not listed.is_active_since(self.floor):",
            "if not self.stream.accepts(listed):",
        ),
    ),
    Defect(
        "time-of-day-of-the-start-date-dropped",
        "the_time_of_day_of_a_start_date_counts",
        Edit("config.py", "return parse(self.start_date)", "return parse((self.start_date or '')[:10])"),
    ),
    Defect(
        "gaps-in-the-history-taken-for-its-end",
        "an_issue_in_a_gap_is_found_by_whichever_time_pylon_filters",
        Edit(
            "extraction/issues/history.py",
            "                if newest is None:\n                    return\n",
            "                if newest is None or newest > _OLDEST:\n                    return\n",
        ),
    ),
    Defect(
        "change-pass-skipped",
        "the_second_sync_emits_exactly_what_changed_with_and_without_messages",
        Edit(_PASSES, "        yield from self._change_pass()\n", ""),
    ),
)
