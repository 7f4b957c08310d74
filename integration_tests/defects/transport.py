"""Defects in how the connector handles connections."""

from __future__ import annotations

from integration_tests.defects.planted import Defect, Edit

_TRANSPORT = "api/transport.py"

DEFECTS = (
    Defect(
        "refused-connection-unnamed",
        "a_refused_connection_ends_the_sync",
        Edit(_TRANSPORT, '    (requests.exceptions.ConnectionError, "connection"),\n', ""),
    ),
    Defect(
        "state-ahead-of-records-at-a-break",
        "a_server_that_goes_away_during_a_sync_loses_nothing_that_a_state_covers",
        Edit(
            "extraction/issues/reader.py",
            "            else:\n                yield from pages.flush()\n",
            "",
        ),
    ),
    Defect(
        "broken-connections-not-retried",
        "a_server_that_comes_back_during_the_retries_is_waited_for",
        Edit(
            "api/client.py",
            "            except errors.Unreachable as unreachable:\n                error = unreachable",
            "            except errors.Unreachable:\n                raise",
        ),
    ),
    Defect(
        "resets-not-retried",
        "occasional_connection_resets_do_no_harm",
        Edit(
            "api/client.py",
            "            except errors.Unreachable as unreachable:\n                error = unreachable",
            "            except errors.Unreachable:\n                raise",
        ),
    ),
    Defect(
        "a-reset-fails-all-streams",
        "persistent_connection_resets_fail_only_their_stream",
        Edit(
            "output/runner.py",
            "        except Exception as error:\n            for run in runs:",
            "        except Exception as error:\n            for run in self._streams.values():",
        ),
    ),
    Defect(
        "no-read-timeout",
        "a_server_that_accepts_and_never_responds_is_abandoned_after_the_read_timeout",
        Edit(_TRANSPORT, "min(self._timing.read_timeout, seconds)),", "seconds),"),
    ),
    Defect(
        "read-timeout-without-bound-of-retries",
        "a_server_that_stops_responding_fails_the_stream_in_bounded_time",
        Edit(
            "api/client.py",
            "                error = unreachable\n",
            "                error, attempts = unreachable, attempts - 0.85\n",
        ),
    ),
    Defect(
        "read-timeout-for-whole-bodies",
        "a_slow_body_that_keeps_arriving_may_take_longer_than_the_read_timeout",
        Edit(
            _TRANSPORT,
            "seconds = min(self._timing.response_deadline, time_limit)",
            "seconds = min(self._timing.read_timeout, time_limit)",
        ),
    ),
    Defect(
        "no-deadline-for-bodies",
        "a_body_that_drips_beyond_the_deadline",
        Edit(
            _TRANSPORT,
            "seconds = min(self._timing.response_deadline, time_limit)",
            "seconds = min(60 * self._timing.response_deadline, time_limit)",
        ),
    ),
    Defect(
        "endless-response-not-ended",
        "an_endless_response_is_abandoned_at_the_deadline",
        Edit("api/watchdog.py", "if now > watch.deadline and", "if now > watch.deadline + 20 and"),
    ),
    Defect(
        "endless-response-not-ended-over-tls",
        "an_endless_response_over_tls_is_abandoned_at_the_deadline",
        Edit("api/watchdog.py", "if now > watch.deadline and", "if now > watch.deadline + 20 and"),
    ),
    Defect(
        "too-large-is-retried",
        "a_small_compressed_body_that_expands_too_far_fails_its_stream_at_once",
        Edit(_TRANSPORT, '"too large", f"{method} {path}"', '"broken", f"{method} {path}", host=""'),
    ),
    Defect(
        "check-without-time-limit",
        "test_check_gives_up_after_a_minute_in_total",
        Edit("timing.py", "time_limit=min(self.time_limit, self.time_limit_of_check)", "time_limit=self.time_limit"),
    ),
    Defect(
        "unresolved-name-unnamed",
        "a_name_that_does_not_resolve",
        Edit(_TRANSPORT, 'if kind == "connection" and name == "NameResolutionError":', "if not kind:"),
    ),
    Defect(
        "tls-not-verified",
        "a_tls_server_that_cannot_be_trusted",
        Edit(_TRANSPORT, "verify: bool | str = True", "verify: bool | str = False"),
    ),
    Defect(
        "requests-ca-bundle-ignored",
        "a_certificate_authority_named_in_the_environment",
        Edit(_TRANSPORT, '("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")', '("SSL_CERT_FILE",)'),
        Edit(
            _TRANSPORT,
            "self._session.merge_environment_settings(self._base_url, {}, True, verify, None)",
            "proxies={}, stream=True, verify=verify, cert=None",
        ),
    ),
    Defect(
        "ssl-cert-file-ignored",
        "a_certificate_authority_in_ssl_cert_file",
        Edit(
            _TRANSPORT,
            '("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")',
            '("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")',
        ),
    ),
    Defect(
        "certificates-not-checked",
        "an_unusable_environment_variable_is_named_at_once",
        Edit(_TRANSPORT, "                _check_certificates(variable, path)\n", ""),
    ),
    Defect(
        "plain-http-through-a-proxy",
        "plain_http_never_goes_through_a_proxy",
        Edit(_TRANSPORT, '            settings["proxies"] = {}\n', "            pass\n"),
    ),
    Defect(
        "proxy-ignored",
        "https_goes_through_a_tunnel_so_the_proxy_never_sees_the_token",
        Edit(_TRANSPORT, 'if self._base_url.startswith("http:"):', "if self._base_url:"),
    ),
    Defect(
        "no-proxy-ignored",
        "hosts_in_no_proxy_are_reached_directly",
        Edit(
            _TRANSPORT,
            '        if self._base_url.startswith("http:"):',
            '        settings["proxies"] = {"https": os.environ.get("HTTPS_PROXY")}\n'
            '        if self._base_url.startswith("http:"):',
        ),
    ),
    Defect(
        "refusing-proxy-unnamed",
        "a_proxy_that_refuses_the_tunnel",
        Edit(_TRANSPORT, '    (requests.exceptions.ProxyError, "proxy"),\n', ""),
    ),
    Defect(
        "credentials-of-a-proxy-told",
        "a_missing_proxy_is_named_without_its_credentials",
        Edit(
            _TRANSPORT,
            'return errors.failure(kind, f"{type(error).__name__}: {name}", host=host)',
            'proxy = os.environ.get("HTTPS_PROXY")\n'
            '    return errors.failure(kind, f"{type(error).__name__}: {name} {proxy}", host=host)',
        ),
    ),
    Defect(
        "redirects-followed",
        "a_redirect_is_not_followed",
        Edit(
            _TRANSPORT,
            "                if response.status_code >= 300:",
            '                if 300 <= response.status_code < 400 and "Location" in response.headers:\n'
            '                    target = response.headers["Location"]\n'
            "                    there = requests.request(method, target, headers=self._headers)\n"
            "                    return Exchange(there.status_code, there.headers, there.content)\n"
            "                if response.status_code >= 300:",
        ),
    ),
)
