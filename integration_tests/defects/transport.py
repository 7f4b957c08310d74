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
        "a_server_that_goes_away_in_the_middle",
        Edit(
            "extraction/issues/reader.py",
            "            else:\n                yield from pages.flush()\n",
            "",
        ),
    ),
    Defect(
        "broken-connections-not-retried",
        "a_server_that_comes_back_within_the_retries",
        Edit(
            "api/client.py",
            "            except errors.Unreachable as unreachable:\n                error = unreachable",
            "            except errors.Unreachable:\n                raise",
        ),
    ),
    Defect(
        "resets-not-retried",
        "a_connection_reset_now_and_then",
        Edit(
            "api/client.py",
            "            except errors.Unreachable as unreachable:\n                error = unreachable",
            "            except errors.Unreachable:\n                raise",
        ),
    ),
    Defect(
        "a-reset-fails-all-streams",
        "connections_reset_for_good_end_their_stream_alone",
        Edit(
            "output/runner.py",
            "        except Exception as error:\n            for run in runs:",
            "        except Exception as error:\n            for run in self._streams.values():",
        ),
    ),
    Defect(
        "no-read-timeout",
        "a_server_that_accepts_and_never_answers",
        Edit(_TRANSPORT, "min(self._timing.read_timeout, seconds)),", "seconds),"),
    ),
    Defect(
        "read-timeout-without-bound-of-retries",
        "a_server_that_never_answers_again",
        Edit(
            "api/client.py",
            "                error = unreachable\n",
            "                error, attempts = unreachable, attempts - 0.85\n",
        ),
    ),
    Defect(
        "read-timeout-for-whole-bodies",
        "a_slow_body_that_keeps_coming",
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
        "endless-answer-not-ended",
        "an_answer_that_never_ends_is_left",
        Edit("api/watchdog.py", "if now > watch.deadline and", "if now > watch.deadline + 20 and"),
    ),
    Defect(
        "endless-answer-not-ended-over-tls",
        "an_answer_that_never_ends_over_tls",
        Edit("api/watchdog.py", "if now > watch.deadline and", "if now > watch.deadline + 20 and"),
    ),
    Defect(
        "too-large-is-retried",
        "a_small_compressed_body_that_holds_too_much",
        Edit(_TRANSPORT, '"too large", f"{method} {path}"', '"broken", f"{method} {path}", host=""'),
    ),
    Defect(
        "check-without-time-limit",
        "test_check_gives_up_after_a_minute_in_all",
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
        "a_setting_of_the_environment_that_cannot_be_used",
        Edit(_TRANSPORT, "                _check_certificates(variable, path)\n", ""),
    ),
    Defect(
        "plain-http-through-a-proxy",
        "plain_http_never_goes_through_a_proxy",
        Edit(_TRANSPORT, '            settings["proxies"] = {}\n', "            pass\n"),
    ),
    Defect(
        "proxy-ignored",
        "https_goes_through_a_tunnel_of_the_proxy",
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
        "a_proxy_that_is_not_there_is_named",
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
