"""Defects in how the connector handles Pylon's responses."""

from __future__ import annotations

from integration_tests.defects.planted import Defect, Edit

_CLIENT = "api/client.py"
_ERRORS = "api/errors.py"
_PAGES = "api/pagination.py"
_READER = "extraction/issues/reader.py"
_PASSES = "extraction/issues/passes.py"
_MESSAGES = "extraction/issues/messages.py"

DEFECTS = (
    Defect(
        "no-retries",
        "a_burst_of_server_errors",
        Edit(_ERRORS, "    5: Rule(Action.RETRY),", "    5: Rule(Action.FAIL),"),
    ),
    Defect(
        "an-error-fails-all-streams",
        "persistent_server_errors_fail_only_their_stream_and_the_next_sync_completes_it",
        Edit(
            "output/runner.py",
            "        except Exception as error:\n            for run in runs:",
            "        except Exception as error:\n            for run in self._streams.values():",
        ),
    ),
    Defect(
        "retry-after-ignored",
        "a_429_is_obeyed",
        Edit(
            _CLIENT, "return None if asked is None else min(asked, self._timing.longest_rate_limit_wait)", "return None"
        ),
    ),
    Defect(
        "retry-after-without-bound",
        "a_429_is_obeyed",
        Edit(
            _CLIENT,
            "return None if asked is None else min(asked, self._timing.longest_rate_limit_wait)",
            "return None if asked is None else min(asked, 10 * self._timing.longest_rate_limit_wait)",
        ),
    ),
    Defect(
        "retry-after-of-503-ignored",
        "the_wait_of_a_503_is_obeyed",
        Edit(_CLIENT, "max(self._backoff(attempts), wait or 0.0)", "self._backoff(attempts)"),
    ),
    Defect(
        "429-counts-as-attempt",
        "repeated_429s_use_up_no_retries",
        Edit(
            _CLIENT,
            "                    self._raise_if_out_of_time(error)\n                    continue",
            "                    attempts += 1\n"
            "                    if attempts >= self._timing.retry_attempts:\n"
            "                        raise error\n"
            "                    continue",
        ),
    ),
    Defect(
        "429-without-a-hint",
        "a_persistent_429_fails_its_stream_and_names_the_likely_cause",
        Edit(
            _CLIENT,
            "rate_limit_patience:\n                        raise error",
            'rate_limit_patience:\n                        raise errors.Unavailable("Pylon refused.", error.detail)',
        ),
    ),
    Defect(
        "401-taken-for-403",
        "a_token_revoked_during_a_sync_ends_it_with_advice",
        Edit(
            _ERRORS,
            "401: Rule(Action.FAIL, Unauthorized, _NOT_ACCEPTED)",
            "401: Rule(Action.FAIL, Forbidden, _FORBIDDEN)",
        ),
    ),
    Defect(
        "state-ahead-of-records-at-401",
        "after_a_token_is_rotated_the_next_sync_continues_from_the_state",
        Edit(
            _READER,
            "            else:\n                yield from pages.flush()\n",
            "",
        ),
    ),
    Defect(
        "403-taken-for-404",
        "a_403_on_one_endpoint",
        Edit(_ERRORS, "403: Rule(Action.FAIL, Forbidden, _FORBIDDEN)", "403: Rule(Action.FAIL, NotFound, _NOT_FOUND)"),
    ),
    Defect(
        "402-taken-for-401",
        "an_endpoint_outside_the_plan_or_role_fails_only_its_stream",
        Edit(
            _ERRORS,
            "402: Rule(Action.FAIL, Forbidden, _FORBIDDEN)",
            "402: Rule(Action.FAIL, Unauthorized, _NOT_ACCEPTED)",
        ),
    ),
    Defect(
        "codes-of-organisations-ignored",
        "a_suspended_organisation_is_reported_as_such",
        Edit(_ERRORS, "BY_CODE.get(code) or", '(BY_CODE.get(code) if code == "rate_limited" else None) or'),
    ),
    Defect(
        "readable-once-is-readable-for-ever",
        "a_403_on_all_messages_fails_the_issue_streams_at_the_start_and_during_a_sync",
        Edit(_MESSAGES, "if self._readable_asked > refused or", "if self._readable is not None or"),
    ),
    Defect(
        "deleted-issue-emitted",
        "an_issue_deleted_after_it_was_listed",
        Edit(
            _MESSAGES,
            "if not isinstance(refusal, errors.Forbidden) and not self._exists(issue_id):",
            "if isinstance(refusal, errors.Rejected) and not self._exists(issue_id):",
        ),
    ),
    Defect(
        "refused-messages-taken-for-none",
        "an_issue_whose_messages_are_refused_is_emitted",
        Edit(_READER, "step.listed.issue, messages, trust", "step.listed.issue, messages or [], trust"),
    ),
    Defect(
        "refusals-never-blame-the-endpoint",
        "refusals_for_many_issues_in_a_row_mean_that_the_endpoint_is_refused",
        Edit(_MESSAGES, "                return\n        raise refusal", "                return"),
    ),
    Defect(
        "broken-messages-taken-for-none",
        "persistent_server_errors_on_one_issues_messages_leave_it_to_the_next_sync",
        Edit(_READER, "return _Finished(step, error=error)", "messages = []"),
    ),
    Defect(
        "nonsense-fails-at-once",
        "an_invalid_response_is_requested_again",
        Edit(_CLIENT, "_MAX_INVALID_RESPONSES = 4", "_MAX_INVALID_RESPONSES = 1"),
    ),
    Defect(
        "nonsense-taken-for-empty",
        "persistent_invalid_responses_fail_their_stream_and_never_count_as_empty",
        Edit(
            _CLIENT,
            "_MAX_INVALID_RESPONSES:\n                    raise",
            '_MAX_INVALID_RESPONSES:\n                    return {"data": []}',
        ),
    ),
    Defect(
        "glitches-given-up-early",
        "a_glitched_page_is_requested_ten_more_times",
        Edit(_CLIENT, "_MAX_GLITCHES = 11", "_MAX_GLITCHES = 10"),
    ),
    Defect(
        "empty-page-ends-the-list",
        "an_empty_page_that_announces_another_does_not_end_the_list",
        Edit(_PAGES, "        else:\n            empty += 1", "        else:\n            return"),
    ),
    Defect(
        "repeated-cursor-ends-the-list",
        "a_page_that_returns_its_own_cursor_does_not_end_the_list",
        Edit(_PAGES, 'raise _endless(endpoint, "a cursor repeats")', "return"),
    ),
    Defect(
        "repeated-page-ends-the-list",
        "an_endless_list_fails",
        Edit(_PAGES, 'raise _endless(endpoint, "a page has only records of earlier pages")', "return"),
    ),
    Defect(
        "restarted-list-repeats-records",
        "after_a_refused_cursor_the_list_is_read_again_without_repeating_a_record",
        Edit(_PAGES, "cursor, used = None, set()", "cursor, used, seen = None, set(), set()"),
    ),
    Defect(
        "records-of-two-pages-twice",
        "a_record_on_two_neighbouring_pages",
        Edit(_PAGES, "        elif digest not in seen:", "        else:"),
    ),
    Defect(
        "issue-without-id-forgotten",
        "a_record_without_an_id_is_left_out",
        Edit(
            _PASSES,
            "                for recipient in recipients:\n                    recipient.missing_ids += 1\n",
            "",
        ),
    ),
    Defect(
        "state-passes-an-issue-without-id",
        "a_record_without_an_id_is_left_out",
        Edit(
            "extraction/issues/recipient.py", "return None if self.missing_ids else self.cursor", "return self.cursor"
        ),
        Edit(_READER, "if not recipient.missing_ids:", "if recipient:"),
    ),
    Defect(
        "state-passes-a-survey-without-id",
        "a_parent_without_an_id_ends_its_stream",
        Edit(
            "extraction/substream.py",
            "        guard.missing += parent_guard.missing",
            "        if self.cursor_field:\n"
            "            yield context.safe_horizon()\n"
            "        guard.missing += parent_guard.missing",
        ),
    ),
    Defect(
        "offsets-of-times-ignored",
        "times_in_other_formats_are_understood",
        Edit("timestamps.py", 'if offset in (None, "Z", "z"):', "if True:"),
    ),
    Defect(
        "issue-without-times-lost",
        "an_issue_without_valid_times_is_emitted_once_and_moves_no_cursor",
        Edit(
            "extraction/issues/history.py",
            "                if created is None:\n                    issues.append(issue)",
            "                if created is None:\n                    continue",
        ),
    ),
    Defect(
        "future-time-taken-into-the-state",
        "an_issue_from_the_far_future",
        Edit(
            "extraction/issues/recipient.py",
            "latest = min(self._latest, cursor.changes_read_until) if self._latest else None",
            "latest = self._latest",
        ),
    ),
    Defect(
        "unknown-fields-dropped",
        "unknown_fields_and_fields_of_unexpected_types_are_passed_on_unchanged",
        Edit(
            "transform/issue_record.py",
            "    record = with_ids(\n",
            "    from source_pylon.streams.issues import Issue\n"
            "    issue = {name: issue[name] for name in issue if name in Issue.model_fields}\n"
            "    record = with_ids(\n",
        ),
    ),
    Defect(
        "nul-kept",
        "what_databases_and_parsers_refuse_is_repaired",
        Edit("transform/clean.py", 'return text.replace("\\0", "") if "\\0" in text else text', "return text"),
    ),
    Defect(
        "deep-values-cut-early",
        "deep_nesting_is_written_unchanged",
        Edit("transform/clean.py", "_MAX_DEPTH = 500", "_MAX_DEPTH = 290"),
    ),
    Defect(
        "depth-without-bound",
        "values_deeper_than_parsers_read_become_null_with_a_warning",
        Edit("transform/clean.py", "if depth == _MAX_DEPTH:", "if depth < 0:"),
    ),
    Defect(
        "irregular-text-not-measured",
        "what_orjson_refuses_is_measured",
        Edit("transform/clean.py", "return len(_dump(value)[0])", "return 0"),
    ),
    Defect(
        "empty-time-kept",
        "declared_times_are_written_in_utc",
        Edit("transform/clean.py", "return value if value.strip() else None", "return value"),
    ),
    Defect(
        "html-in-quadratic-time",
        "test_time_grows_in_proportion_to_the_text",
        Edit("transform/html_to_text.py", "_WORK_PER_CHARACTER * start:", "_WORK_PER_CHARACTER * start * len(html):"),
    ),
    Defect(
        "slow-html-loses-its-text",
        "a_text_that_would_take_too_long_loses_its_layout",
        Edit("transform/html_to_text.py", "return stripped(html)", "return stripped(html[:start])"),
    ),
    Defect(
        "answers-read-as-html",
        "answers_are_plain_text_and_stay",
        Edit(
            "streams/surveys.py",
            '(value := plain_text(answer.get("value"))):',
            '(value := re.sub(r"<[^>]*>", "", plain_text(answer.get("value")))):',
        ),
    ),
    Defect(
        "is-private-null-trusted",
        "messages_with_fields_of_unexpected_types_are_emitted_and_one_without_a_flag_is_not",
        Edit(
            "transform/privacy.py",
            'return message.get("is_private") is False and message.get("thread_id")',
            'return not message.get("is_private") and message.get("thread_id")',
        ),
    ),
    Defect(
        "large-integers-as-floats",
        "json_that_most_parsers_refuse_or_change_is_read_correctly",
        Edit(
            "api/lenient_json.py",
            "return _read_or_cut(body, None) if _has_long_integer(body) else (value, None)",
            "return value, None",
        ),
    ),
    Defect(
        "deep-values-refused",
        "test_deep_nesting_fails_no_stream",
        Edit("api/lenient_json.py", "    except RecursionError:\n", "    except MemoryError:\n"),
    ),
    Defect(
        "dots-as-ids",
        "an_id_does_not_lead_to_another_path",
        Edit("api/endpoints.py", 'if value in ("", ".", ".."):', 'if value == "":'),
    ),
    Defect(
        "date-ahead-trusted",
        "a_date_header_in_the_future_moves_no_state_into_the_future",
        Edit(
            "api/clock.py",
            "return self.machine() + min(self._offset or timedelta(0), timedelta(0))",
            "return self.machine() + (self._offset or timedelta(0))",
        ),
    ),
    Defect(
        "bodies-of-32-megabytes-at-most",
        "a_response_of_50_megabytes_is_read",
        Edit("api/transport.py", "MAX_BODY = 256 * 1024 * 1024", "MAX_BODY = 32 * 1024 * 1024"),
    ),
    Defect(
        "compression-not-undone",
        "compressed_responses_are_read",
        Edit("api/transport.py", "read1(_CHUNK, decode_content=True)", "read1(_CHUNK, decode_content=False)"),
    ),
    Defect(
        "broken-compression-not-translated",
        "a_response_with_broken_compression_is_requested_again",
        Edit(
            "api/transport.py",
            "        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:\n"
            "            if watch.expired:",
            "        except (requests.RequestException, OSError) as error:\n            if watch.expired:",
        ),
    ),
    Defect(
        "ignored-filters-trusted",
        "ignored_filters_are_noticed_and_harmless",
        Edit(
            "extraction/issues/changes.py",
            'if not issue.get("id") or ListedIssue.of(issue).has_time_after(window.after)',
            "if issue is not None",
        ),
    ),
    Defect(
        "ignored-filters-of-recordings-trusted",
        "a_recording_search_that_ignores_its_filter",
        Edit(
            "extraction/search.py",
            "if moment is None or window.holds(moment)",
            "if moment is None or window is not None",
        ),
    ),
    Defect(
        "ignored-filters-not-logged",
        "ignored_filters_are_noticed_and_harmless",
        Edit(
            "extraction/issues/changes.py",
            "return outside >= _IGNORED_FILTER_MIN_ISSUES and 2 * outside > len(listed)",
            "return False",
        ),
    ),
)
