"""Defects that tell a secret or let private content leave."""

from __future__ import annotations

from integration_tests.defects.planted import Defect, Edit

_PRIVACY = "transform/privacy.py"
_FILES = "files.py"

DEFECTS = (
    Defect(
        "configuration-repeated-as-a-path",
        "a_configuration_given_in_place_of_a_file_is_not_printed",
        Edit(_FILES, 'if path.lstrip()[:1] in ("{", "[") or len(path) > _MAX_PATH:', "if not path:"),
    ),
    Defect(
        "arguments-repeated",
        "a_value_typed_in_the_wrong_place_is_not_printed",
        Edit("run.py", "        if not _HARMLESS.match(message):", "        if not message:"),
    ),
    Defect(
        "word-repeated-as-a-path",
        "a_value_given_in_place_of_a_path_is_not_printed",
        Edit(_FILES, 'if {".", os.sep} & set(path) else', "if path else"),
    ),
    Defect(
        "token-hidden-in-states",
        "a_short_token_corrupts_no_message",
        Edit(
            "output/entrypoint.py",
            'return AirbyteEntrypoint.airbyte_message_to_string(_without_secrets(message)).encode() + b"\\n"',
            'return filter_secrets(AirbyteEntrypoint.airbyte_message_to_string(message)).encode() + b"\\n"',
        ),
    ),
    Defect(
        "messages-at-debug-level",
        "nothing_secret_is_logged_at_debug_level_under_a_mix_of_faults",
        Edit(
            "api/client.py",
            'outcome = f"status {exchange.status}, {len(exchange.body)} bytes"',
            'outcome = f"status {exchange.status}, {exchange.body!r}"',
        ),
    ),
    Defect(
        "errors-quote-the-response",
        "persistent_errors_that_quote_the_request_are_reported_without_it",
        Edit(
            "api/responses.py",
            "    rule = errors.rule_for(status, code)\n",
            "    rule = errors.rule_for(status, code)\n    detail += body.decode('utf-8', 'replace')\n",
        ),
    ),
    Defect(
        "traces-not-filtered",
        "a_crash_leaves_a_trace_without_the_token",
        Edit(
            "output/entrypoint.py",
            "stack_trace=error.stack_trace and filter_secrets(error.stack_trace)",
            "stack_trace=error.stack_trace",
        ),
        Edit("output/runner.py", ".as_sanitized_airbyte_message(", ".as_airbyte_message("),
    ),
    Defect(
        "private-messages-emitted",
        "no_private_message_and_no_token_is_written",
        Edit(_PRIVACY, "return [message for message in messages if is_public(message)]", "return list(messages)"),
    ),
    Defect(
        "bodies-not-compared",
        "nothing_leaks_if_private_messages_do_not_count_for_an_issues_times",
        Edit(_PRIVACY, "    if not body or not notes:", "    if not body or notes is not None:"),
    ),
    Defect(
        "token-in-errors",
        "an_error_response_that_quotes_the_token_does_not_leak_it",
        Edit(
            "api/transport.py",
            '                    body = body.replace(self._token, b"****")\n',
            "                    pass\n",
        ),
        Edit(
            "api/responses.py",
            '_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:-]{1,64}")',
            '_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:-]+")',
        ),
        Edit(
            "output/entrypoint.py",
            "internal_message=error.internal_message and filter_secrets(error.internal_message)",
            "internal_message=error.internal_message",
        ),
        Edit("output/runner.py", ".as_sanitized_airbyte_message(", ".as_airbyte_message("),
    ),
    Defect(
        "thread-of-notes-ignored",
        "a_message_in_the_thread_of_internal_notes_is_private_even_if_it_claims_to_be_public",
        Edit(
            _PRIVACY,
            'return message.get("is_private") is False and message.get("thread_id") in (None, "")',
            'return message.get("is_private") is False',
        ),
    ),
    Defect(
        "only-equal-bodies-withheld",
        "a_body_is_searched_for_within_notes",
        Edit(_PRIVACY, "return bool(one and other) and (one in other or other in one)", "return False"),
    ),
    Defect(
        "only-the-first-note-compared",
        "messages_of_any_order_are_compared",
        Edit(_PRIVACY, "    for note in notes:", "    for note in notes[:1]:"),
    ),
    Defect(
        "images-of-notes-not-compared",
        "a_body_that_is_an_internal_note_is_held_back",
        Edit(_PRIVACY, "    if not compared.compact and not (files and files <= shown):", "    if not body:"),
    ),
    Defect(
        "punctuation-counts",
        "a_note_is_not_emitted_as_the_body_however_both_are_decorated",
        Edit(
            _PRIVACY,
            'return _Comparable("".join(text.split()), _NOT_LETTERS.sub("", text))',
            'return _Comparable("".join(text.split()), "".join(text.split()))',
        ),
    ),
    Defect(
        "most-of-a-note-allowed",
        "body_that_shows_most_of_a_note",
        Edit(_PRIVACY, "return 2 * letters > _letters(words)", "return False"),
    ),
    Defect(
        "tokens-of-the-body-counted-twice",
        "a_public_file_that_the_body_repeats",
        Edit(_PRIVACY, "    places |= Counter(", "    places += Counter("),
    ),
    Defect(
        "body-without-messages-trusted",
        "body_of_an_issue_without_a_latest_message",
        Edit(
            "extraction/issues/listed.py",
            'return bool(issue.get("latest_message_time") or issue.get("attachment_urls") or issue.get("body_html"))',
            'return bool(issue.get("latest_message_time"))',
        ),
    ),
    Defect(
        "unread-messages-clear-the-body",
        "a_note_is_not_emitted_as_the_body_if_messages_are_switched_off",
        Edit(_PRIVACY, "return body if trust_issue_body else None", "return body"),
    ),
    Defect(
        "refused-messages-clear-the-body",
        "a_note_is_not_emitted_as_the_body_if_messages_are_refused",
        Edit(_PRIVACY, "return body if trust_issue_body else None", "return body"),
    ),
    Defect(
        "all-attachments-emitted",
        "an_inline_image_of_a_note_is_not_emitted_as_an_attachment",
        Edit(_PRIVACY, "return [url for url, file in listed if belongs(file)]", "return [url for url, file in listed]"),
    ),
    Defect(
        "queries-of-files-ignored",
        "files_that_differ_only_in_the_query",
        Edit(
            _PRIVACY,
            "        if file in shown:\n            return True",
            "        if file.place[:2] in {place[:2] for place in places}:\n            return True",
        ),
    ),
    Defect(
        "attachments-without-owner-emitted",
        "the_files_of_a_deleted_note_are_not_emitted",
        Edit(
            _PRIVACY,
            "        if file.place not in places:\n            return False",
            "        if file.place in hidden:\n            return False",
        ),
    ),
    Defect(
        "every-body-withheld",
        "the_body_and_attachments_that_public_messages_show_are_emitted",
        Edit(
            _PRIVACY,
            "    if not body or not notes:\n        return body",
            "    if not body:\n        return body\n    if not notes:\n        return None",
        ),
    ),
)
