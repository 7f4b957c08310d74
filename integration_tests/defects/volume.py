"""Defects that show with many or with large records."""

from __future__ import annotations

from integration_tests.defects.planted import Defect, Edit

_READER = "extraction/issues/reader.py"
_PASSES = "extraction/issues/passes.py"
_SIZES = "transform/truncation.py"

DEFECTS = (
    Defect(
        "page-of-a-list-lost",
        "two_hundred_thousand_issues",
        Edit(
            _PASSES, "chunks = [page.issues[at : at + self._chunk]", "chunks = [page.issues[at : at + self._chunk - 1]"
        ),
    ),
    Defect(
        "state-in-the-middle-of-a-moment",
        "twenty_thousand_issues_of_one_second_are_emitted_once_each_and_no_state_splits_them",
        Edit(_PASSES, "return max(back_to, min(created) + SECOND) if created else None", "return min(created)"),
    ),
    Defect(
        "state-before-the-end-of-a-listing",
        "a_list_that_breaks_off_amid_twenty_thousand_issues_of_one_second_is_completed_by_the_next_sync",
        Edit("extraction/issues/history.py", "max(lower, oldest + SECOND) if is_sorted else None", "lower"),
    ),
    Defect(
        "state-ahead-of-records",
        "a_sync_stopped_amid_twenty_thousand_issues",
        Edit(
            _READER,
            "            else:\n                yield from pages.flush()\n",
            "",
        ),
    ),
    Defect(
        "messages-asked-for-in-pages",
        "an_issue_of_five_thousand_messages",
        Edit(
            "extraction/issues/messages.py",
            'query = {"cursor": cursor, "limit": MESSAGES.page_size} if cursor else None',
            'query = {**({"cursor": cursor} if cursor else {}), "limit": MESSAGES.page_size}',
        ),
    ),
    Defect(
        "survey-responses-not-checked",
        "three_hundred_surveys",
        Edit("extraction/substream.py", "return moment is None or moment > after", "return True"),
        Edit(
            "extraction/substream.py",
            "        if self.since_parameter and after:",
            "        if self.since_parameter and not query and not after and after:",
        ),
    ),
    Defect(
        "no-state-without-records",
        "an_empty_organisation_yields_a_state_for_every_stream_at_next_to_no_cost",
        Edit(
            "output/runner.py",
            "            if self._state != self._emitted and (",
            "            if self._has_records and self._state != self._emitted and (",
        ),
    ),
    Defect(
        "no-size-limit",
        "a_record_that_is_too_large_is_cut_to_16_mb_with_as_much_as_fits",
        Edit("output/runner.py", "            if len(line) >= MAX_LINE_BYTES:", "            if not line:"),
    ),
    Defect(
        "newest-messages-left-out",
        "the_oldest_messages_are_left_out_first",
        Edit(_SIZES, "messages.pop(0)", "messages.pop()"),
    ),
    Defect(
        "counts-of-what-is-left",
        "counts_and_times_cover_all_messages_even_if_some_are_left_out",
        Edit(
            _SIZES,
            '        cut.append(f"the oldest {given - len(messages)} of {given} messages")',
            '        record["public_message_count"] = len(messages)\n'
            '        cut.append(f"the oldest {given - len(messages)} of {given} messages")',
        ),
    ),
    Defect(
        "record-copied-again-and-again",
        "making_a_large_record_takes_little_more_memory",
        Edit(
            "transform/issue_record.py",
            "    _add_feedback(record, public)\n",
            "    copies = [[dict(one, text=one['text'] + ' ') for one in public or ()] for _ in range(3)]\n"
            "    _add_feedback(record, public)\n"
            "    copies.clear()\n",
        ),
    ),
    Defect(
        "no-messages-taken-for-an-empty-list",
        "a_large_field_is_cut_where_messages_are_not_read",
        Edit(_SIZES, "    if messages:\n        record", "    if record:\n        record"),
    ),
    Defect(
        "records-cut-early",
        "an_issue_just_below_16_mb_is_not_cut",
        Edit(_SIZES, "MAX_LINE_BYTES = 16_000_000", "MAX_LINE_BYTES = 15_000_000"),
    ),
    Defect(
        "full-container-noticed-late",
        "a_sync_ends_within_a_megabyte_once_its_container_is_full",
        Edit("output/entrypoint.py", "_BYTES_PER_MESSAGE = 1_000", "_BYTES_PER_MESSAGE = 50_000"),
    ),
)
