"""Defects in what the connector does with signals, readers, states, catalogs and options."""

from __future__ import annotations

from integration_tests.defects.planted import Defect, Edit

_RUNNER = "output/runner.py"
_READER = "extraction/issues/reader.py"
_PASSES = "extraction/issues/passes.py"
_SOURCE = "source.py"
_SIGNALS = "signals.py"

DEFECTS = (
    Defect(
        "state-ahead-by-what-is-being-read",
        "syncs_stopped_at_random_moments_while_data_changes_end_complete_and_fresh",
        Edit(_READER, "yield recipient.checkpoint(cursor)", "yield recipient.checkpoint(recipient.cursor)"),
    ),
    Defect(
        "state-at-the-end-only",
        "after_kills_while_data_changes_the_newest_emissions_equal_what_is_stored",
        Edit(_RUNNER, "is_due = time.monotonic() - self._emitted_at >= self._interval", "is_due = False"),
    ),
    Defect(
        "no-last-state",
        "a_stopped_sync_writes_its_last_state",
        Edit(
            _RUNNER,
            "            run.end(is_cut_short=True)\n        self._queue.seal()",
            "            pass\n        self._queue.seal()",
        ),
    ),
    Defect(
        "what-was-read-is-dropped-by-sigterm",
        "a_stopped_sync_writes_its_last_state",
        Edit(
            _RUNNER,
            "        self._queue.seal()\n        while not self._queue.is_empty():",
            "        self._queue.seal()\n        while False:",
        ),
    ),
    Defect(
        "ctrl-c-with-a-traceback",
        "ctrl_c_at_a_terminal_shows_one_line",
        Edit(_SIGNALS, "_SIGNALS = (signal.SIGTERM, signal.SIGINT)", "_SIGNALS = (signal.SIGTERM,)"),
    ),
    Defect(
        "no-handler-during-imports",
        "a_signal_while_the_connector_is_being_imported",
        Edit(
            _SIGNALS,
            "        if self._is_graceful and is_first:\n",
            "        if is_first:\n            return\n        if self._is_graceful and is_first:\n",
        ),
    ),
    Defect(
        "lines-torn-by-signals",
        "a_sync_terminated_in_the_middle_of_a_write",
        Edit(
            "output/emitter.py",
            "        while (start := sum(taken)) < len(lines):",
            "        sent = self._lines is None\n"
            "        while not sent:\n"
            "            sent = os.write(output, lines[:_MAX_WRITE]) >= 0\n"
            "        while (start := sum(taken)) < 0:",
        ),
    ),
    Defect(
        "signals-raised-once",
        "a_signal_within_a_destructor_is_raised_again",
        Edit(_SIGNALS, "        signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)\n", ""),
    ),
    Defect(
        "stop-waits-for-the-reader",
        "a_terminated_sync_ends_even_if_nobody_reads_its_output",
        Edit(_SIGNALS, "            signal.setitimer(signal.ITIMER_REAL, LAST_WORDS, _AGAIN)\n", ""),
    ),
    Defect(
        "short-writes-forgotten",
        "a_slow_reader_gets_every_line_whole",
        Edit(
            "output/emitter.py",
            "        while (start := sum(taken)) < len(lines):",
            "        if (start := sum(taken)) < len(lines):",
        ),
    ),
    Defect(
        "broken-pipe-not-noticed",
        "when_the_reader_goes_away_the_sync_ends_even_while_threads_wait_for_messages",
        Edit(_RUNNER, "            self._queue.put(AirbyteMessage(type=Type.LOG, log=gone))", "            del gone"),
    ),
    Defect(
        "queue-counts-batches",
        "the_bytes_that_wait_for_a_slow_reader_are_bounded",
        Edit("output/queue.py", "return len(item.lines) if", "return 1 if"),
    ),
    Defect(
        "large-batch-never-fits",
        "a_batch_larger_than_the_limit_passes_alone",
        Edit("output/queue.py", "self._closed or not self._bytes or self._bytes", "self._closed or self._bytes"),
    ),
    Defect(
        "refusals-teach-nothing-to-two-syncs",
        "two_syncs_that_share_a_rate_limit",
        Edit("api/rate_limit.py", "            self._learn(now, wait)\n", "            pass\n"),
    ),
    Defect(
        "states-of-long-ago-taken",
        "a_state_without_valid_times_is_reported_once_and_everything_is_read",
        Edit(
            "extraction/cursors.py",
            "return None if moment is None or moment < _EARLIEST_STATE else moment",
            "return moment",
        ),
    ),
    Defect(
        "foreign-state-of-issues-not-logged",
        "a_foreign_state_of_issues_is_logged_in_one_line_and_all_issues_are_read",
        Edit(_READER, "        warn_unknown_state(stream.name, state)\n", "        pass\n"),
    ),
    Defect(
        "foreign-state-not-logged",
        "a_state_of_another_connector_is_reported_once_and_everything_is_read",
        Edit("extraction/cursors.py", "        warn_unknown_state(name, state)\n", "        pass\n"),
    ),
    Defect(
        "state-of-a-fast-clock-trusted",
        "a_state_written_by_a_fast_clock_hides_no_later_change",
        Edit(
            _PASSES,
            "min(recipient.cursor.changes_read_until, horizon) - lookback",
            "recipient.cursor.changes_read_until - lookback",
        ),
    ),
    Defect(
        "future-state-taken-back",
        "with_a_state_in_the_far_future_there_are_no_records_but_a_state",
        Edit("extraction/cursors.py", "    if cursor <= context.client.now() + _FAR_FUTURE:", "    if cursor:"),
    ),
    Defect(
        "foreign-states-refused",
        "states_of_streams_that_no_longer_exist",
        Edit(
            _SOURCE,
            "        known = {stream.name: stream for stream in STREAMS}\n",
            "        known = {stream.name: stream for stream in STREAMS}\n"
            "        for one in state or ():\n"
            "            assert one.stream and one.stream.stream_descriptor.name in known\n",
        ),
    ),
    Defect(
        "empty-state-file-refused",
        "an_empty_state_file_counts_as_no_state",
        Edit("files.py", "    if not text.strip():\n        return\n", ""),
    ),
    Defect(
        "damaged-state-ignored",
        "a_damaged_state_file_stops_the_sync_with_the_name_and_position",
        Edit(
            "files.py",
            "        if len(lines) < 2 or not _is_json(lines[0]):\n            _parse(text, path, what)",
            "        if len(lines) < 2 or not _is_json(lines[0]):\n            return",
        ),
    ),
    Defect(
        "cut-last-line-refused",
        "a_state_is_accepted_in_every_form_in_which_it_is_stored",
        Edit("files.py", "with contextlib.suppress(*_NOT_JSON):", "with contextlib.nullcontext():"),
    ),
    Defect(
        "any-object-is-a-catalog",
        "a_file_that_is_not_a_configured_catalog_is_refused_with_its_name_and_the_position",
        Edit(
            "catalog.py",
            'f"The catalog file {path} is not a configured catalog: {where} is incomplete',
            'f"The catalog file is not a configured catalog: it is incomplete',
        ),
    ),
    Defect(
        "empty-catalog-for-a-bad-file",
        "a_file_that_is_not_a_catalog_is_reported",
        Edit(
            "files.py",
            '    raise BadFile(f"The catalog file {path} contains no catalog',
            '    return {"streams": []}\n    raise BadFile(f"The catalog file {path} contains no catalog',
        ),
    ),
    Defect(
        "discovered-streams-read-whole",
        "a_read_accepts_the_output_of_discover_and_reads_all_its_streams",
        Edit(
            "catalog.py",
            'incremental = "incremental" in (item.get("supported_sync_modes") or ())',
            "incremental = False",
        ),
    ),
    Defect(
        "namespace-of-states-ignored",
        "a_namespace_stays_in_records_and_states_and_is_recognised_again",
        Edit(
            _SOURCE,
            "states.get_stream_state(stream.name, item.stream.namespace)",
            "states.get_stream_state(stream.name, None)",
        ),
    ),
    Defect(
        "full-refresh-takes-the-state",
        "a_full_refresh_ignores_a_state",
        Edit(_SOURCE, "incremental = item.sync_mode == SyncMode.incremental and stream", "incremental = stream"),
    ),
    Defect(
        "unknown-options-not-logged",
        "check_and_read_warn_of_a_misspelled_option",
        Edit(
            "checks.py", "for key in config if key not in Config.model_fields and", "for key in config if not key and"
        ),
    ),
    Defect(
        "unknown-types-not-logged",
        "a_type_of_custom_objects_that_does_not_exist",
        Edit("checks.py", "                warnings.append(error.user_message)\n", "                del error\n"),
    ),
    Defect(
        "wrong-token-told-by-each-stream",
        "a_wrong_token_is_shown_once_on_the_terminal_when_the_output_goes_to_a_file",
        Edit(
            _RUNNER,
            "                self._unauthorized = self._unauthorized or error\n",
            "                self._unauthorized = self._unauthorized or error\n"
            "            for run in runs:\n"
            "                run.fail(error)\n",
        ),
    ),
    Defect(
        "errors-not-shown",
        "the_error_of_each_stream_is_shown_on_the_terminal",
        Edit(
            "output/terminal.py", "message.trace.type is TraceType.ERROR:", "message.trace.type is TraceType.ESTIMATE:"
        ),
    ),
    Defect(
        "unknown-stream-ignored",
        "a_stream_that_does_not_exist_fails",
        Edit(_SOURCE, "        if errors:\n            raise errors[0]", "        del errors"),
    ),
    Defect(
        "stream-twice-read-once",
        "a_catalog_that_names_a_stream_twice",
        Edit(
            _SOURCE,
            "        if any(configured.stream is stream for configured in streams):\n",
            "        if any(configured.stream is stream for configured in streams):\n"
            "            continue\n"
            "        if False:\n",
        ),
    ),
    Defect(
        "incremental-without-a-cursor",
        "an_incremental_stream_without_a_cursor_is_fully_refreshed",
        Edit(
            _SOURCE,
            "incremental = item.sync_mode == SyncMode.incremental and stream.cursor_field is not None",
            "incremental = item.sync_mode == SyncMode.incremental",
        ),
        Edit(
            _RUNNER,
            "self._is_resumable = configured.stream.cursor_field is not None and configured.state is not None",
            "self._is_resumable = configured.state is not None",
        ),
    ),
    Defect(
        "cursor-field-of-the-catalog-taken",
        "another_cursor_field_in_the_catalog",
        Edit(
            _SOURCE,
            "        streams.append(ConfiguredStream(",
            "        if item.cursor_field and item.cursor_field != [stream.cursor_field]:\n"
            "            raise ValueError(stream.name)\n"
            "        streams.append(ConfiguredStream(",
        ),
    ),
    Defect(
        "empty-catalog-refused",
        "an_empty_catalog_reads_nothing",
        Edit(
            _SOURCE,
            "        if streams:\n",
            "        if not catalog.streams:\n            raise ValueError\n        if streams:\n",
        ),
    ),
)
