"""Pagination yields each record once and ends, whatever the server does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from source_pylon.api import errors
from source_pylon.api.endpoints import get_paginated
from source_pylon.api.pagination import paginate

ENDPOINT = get_paginated("/things")
Answer = dict[str, Any] | Exception


def answer(ids: str, cursor: str | None = None) -> Answer:
    pagination = {"cursor": cursor or "", "has_next_page": cursor is not None}
    return {"data": [{"id": one} for one in ids], "pagination": pagination, "request_id": "r"}


class Server:
    """Returns prepared responses in order, and records the cursors of the requests."""

    def __init__(self, *prepared: Answer) -> None:
        self.prepared = list(prepared)
        self.asked: list[str | None] = []

    def __call__(self, cursor: str | None) -> dict[str, Any]:
        self.asked.append(cursor)
        given = self.prepared.pop(0)
        if isinstance(given, Exception):
            raise given
        return given


def read(fetch: Callable[[str | None], dict[str, Any]]) -> str:
    return "".join(str(r["id"]) for page in paginate(ENDPOINT, fetch, lambda r: r.get("id")) for r in page)


def test_all_pages_are_read_with_the_cursors_that_they_return() -> None:
    server = Server(answer("ab", "1"), answer("cd", "2"), answer("e"))
    assert read(server) == "abcde"
    assert server.asked == [None, "1", "2"]


def test_a_record_that_moves_onto_the_next_page_is_yielded_once() -> None:
    assert read(Server(answer("ab", "1"), answer("bc", "2"), answer("cd"))) == "abcd"


@pytest.mark.parametrize("pagination", [None, {}, {"has_next_page": False, "cursor": ""}])
def test_a_page_that_announces_no_other_is_the_last(pagination: Any) -> None:
    assert read(Server({"data": [{"id": "a"}], "pagination": pagination})) == "a"


def test_a_few_empty_pages_in_between_are_skipped() -> None:
    assert read(Server(answer("a", "1"), answer("", "2"), answer("", "3"), answer("b"))) == "ab"


def endless(reason: str, *prepared: Answer) -> list[str | None]:
    """Read to the error that names `reason` and the endpoint; return the cursors that were asked with."""
    server = Server(*prepared)
    with pytest.raises(errors.InvalidResponse) as error:
        read(server)
    assert error.value.user_message == (
        f"The pages of GET /things do not come to an end: {reason}. If this happens again, tell Pylon's support."
    )
    assert error.value.detail == "GET /things"
    return server.asked


def test_a_repeated_cursor_is_an_error() -> None:
    endless("a cursor repeats", answer("a", "1"), answer("b", "2"), answer("c", "1"))


def test_a_page_that_repeats_another_is_an_error() -> None:
    endless("a page has only records of earlier pages", answer("ab", "1"), answer("ab", "2"))


def test_a_last_page_that_repeats_another_ends_the_list() -> None:
    assert read(Server(answer("ab", "1"), answer("ab"))) == "ab"


def test_endless_empty_pages_are_an_error() -> None:
    pages = [answer("", str(number)) for number in range(100)]
    asked = endless("more than 20 empty pages in a row announce another page", *pages)
    assert len(asked) == 21


def test_the_count_of_empty_pages_starts_again_after_a_page_with_records() -> None:
    empty = [answer("", str(number)) for number in range(40)]
    assert read(Server(*empty[:20], answer("a", "a"), *empty[20:], answer("b"))) == "ab"


def test_a_refused_cursor_restarts_the_list_without_repeating_records() -> None:
    server = Server(answer("ab", "1"), errors.Rejected("no"), answer("ab", "7"), answer("cd"))
    assert read(server) == "abcd"
    assert server.asked == [None, "1", None, "7"]


def test_a_restarted_list_may_repeat_any_number_of_pages_with_their_cursors() -> None:
    pages = [answer(chr(ord("a") + number), str(number)) for number in range(25)]
    assert read(Server(*pages, errors.Rejected("no"), *pages, answer("z"))) == "abcdefghijklmnopqrstuvwxyz"


def test_a_restarted_list_must_end_after_its_first_new_record() -> None:
    begun = [answer("a", "1"), errors.Rejected("no"), answer("a", "1"), answer("b", "2")]
    endless("a page has only records of earlier pages", *begun, answer("b", "3"))
    endless("a cursor repeats", *begun, answer("c", "1"))


def test_a_restarted_list_does_not_repeat_cursors_either() -> None:
    again = [answer("a", "1"), answer("a", "1")]
    endless("a cursor repeats", answer("a", "1"), errors.Rejected("no"), *again)


def test_a_cursor_refused_again_is_an_error() -> None:
    with pytest.raises(errors.Rejected):
        read(Server(answer("a", "1"), errors.Rejected("no"), answer("a", "2"), errors.Rejected("no")))


def test_a_refused_first_page_is_not_tried_again() -> None:
    server = Server(errors.Rejected("no"))
    with pytest.raises(errors.Rejected):
        read(server)
    assert server.asked == [None]


def test_records_without_identity_are_all_yielded_and_the_others_once() -> None:
    first: Answer = {
        "data": [{"x": 1}, {"x": 1}, {"id": "a"}, {"id": "a"}],
        "pagination": {"cursor": "1", "has_next_page": True},
    }
    second: Answer = {"data": [{"x": 1}, {"id": "a"}, {"id": "b"}], "pagination": {}}
    pages = paginate(ENDPOINT, Server(first, second), lambda record: record.get("id"))
    assert [[record.get("id") for record in page] for page in pages] == [[None, None, "a"], [None, "b"]]


def test_a_record_that_is_twice_on_a_page_is_yielded_once() -> None:
    assert read(Server(answer("aab", "1"), answer("c"))) == "abc"
