"""Fixtures that unit tests share."""

from __future__ import annotations

from typing import Any

import pytest
import requests_mock
from hypothesis import Phase, settings
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

settings.register_profile("mutation", phases=[Phase.explicit, Phase.generate], database=None)


class MockedPylon(requests_mock.Adapter):
    """Responds in place of the network. A request without a prepared response raises ConnectionError."""

    def get(self, url: str, *args: Any, **answer: Any) -> Any:
        """Prepares responses to a GET."""
        return self.register_uri("GET", url, *args, **answer)

    def post(self, url: str, *args: Any, **answer: Any) -> Any:
        """Prepares responses to a POST."""
        return self.register_uri("POST", url, *args, **answer)


@pytest.fixture
def pylon(monkeypatch: pytest.MonkeyPatch) -> MockedPylon:
    """Stands beneath the sessions' adapters, because the connector hands requests to its adapter itself."""
    mocked = MockedPylon(case_sensitive=True)

    def send(self: HTTPAdapter, request: PreparedRequest, **options: Any) -> Response:
        response: Response = mocked.send(request, **options)
        return response

    monkeypatch.setattr(HTTPAdapter, "send", send)
    return mocked
