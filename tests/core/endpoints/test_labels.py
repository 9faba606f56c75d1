from typing import Any

import pytest

from lumetry_core.endpoints.drafts import EndpointDraft
from lumetry_core.endpoints.labels import LabelEndpoint, read_endpoints, read_option


def only(labels: dict[str, str]) -> EndpointDraft:
    [found] = read_endpoints({"lumetry.endpoint.http": "http://shop.test/", **labels})
    return found.draft


def test_read_option_prefers_our_prefix() -> None:
    """The reference's prefix counts where ours says nothing."""
    labels = {"lumetry.group": " a ", "maintenant.group": "b", "maintenant.ignore": "true"}
    assert [read_option(labels, name) for name in ("group", "ignore", "topology.node")] == ["a", "true", None]


def test_read_endpoints_reads_simple_and_indexed_forms() -> None:
    """The simple form wins over index 0 of its kind; the others follow by index."""
    labels = {
        "lumetry.endpoint.http": "http://shop.test/",
        "lumetry.endpoint.0.http": "http://ignored.test/",
        "maintenant.endpoint.0.tcp": "db.test:5432",
        "maintenant.endpoint.10.tcp": "cache.test:6379",
        "lumetry.endpoint.2.http": "http://admin.test/",
        "maintenant.endpoint.2.http": "http://other.test/",
        "lumetry.endpoint.3.http": "",
        "lumetry.endpoint.x.http": "http://wrong.test/",
        "com.example.endpoint.http": "http://foreign.test/",
    }
    assert read_endpoints(labels) == [
        LabelEndpoint("endpoint.http", "lumetry.endpoint.http", EndpointDraft(target="http://shop.test/", endpoint_type="http")),
        LabelEndpoint("endpoint.0.tcp", "maintenant.endpoint.0.tcp", EndpointDraft(target="db.test:5432", endpoint_type="tcp")),
        LabelEndpoint("endpoint.2.http", "lumetry.endpoint.2.http", EndpointDraft(target="http://admin.test/", endpoint_type="http")),
        LabelEndpoint("endpoint.10.tcp", "maintenant.endpoint.10.tcp", EndpointDraft(target="cache.test:6379", endpoint_type="tcp")),
    ]


def test_read_endpoints_lets_indexed_settings_override_those_of_all() -> None:
    """What is not indexed holds for every endpoint of the container."""
    labels = {
        "lumetry.endpoint.0.http": "http://a.test/",
        "lumetry.endpoint.1.http": "http://b.test/",
        "lumetry.endpoint.interval": "1m",
        "lumetry.endpoint.1.interval": "2m",
        "lumetry.endpoint.http.method": "head",
    }
    assert [(found.draft.interval_seconds, found.draft.method) for found in read_endpoints(labels)] == [(60, "HEAD"), (120, "HEAD")]


@pytest.mark.parametrize(
    ("option", "text", "field", "value"),
    [
        ("interval", "1h30m", "interval_seconds", 5400),
        ("interval", "1s", "interval_seconds", None),
        ("interval", "soon", "interval_seconds", None),
        ("timeout", "5s", "timeout_seconds", 5),
        ("timeout", "2m", "timeout_seconds", 30),
        ("failure-threshold", "5", "failure_threshold", 5),
        ("failure-threshold", "0", "failure_threshold", None),
        ("recovery-threshold", "-1", "recovery_threshold", None),
        ("http.method", "BREW", "method", None),
        ("http.expected-status", "200,3xx", "expected_status", "200,3xx"),
        ("http.tls-verify", "no", "tls_verify", False),
        ("http.tls-verify", "yes", "tls_verify", True),
        ("http.headers", '{"X-A": "b"}', "headers", {"X-A": "b"}),
        ("http.headers", "X-A=b, X-C=d=e", "headers", {"X-A": "b", "X-C": "d=e"}),
        ("http.headers", "{broken", "headers", None),
        ("http.headers", "no pairs", "headers", None),
        ("http.max-redirects", "0", "max_redirects", 0),
        ("http.max-redirects", "21", "max_redirects", None),
    ],
)
def test_read_endpoints_drops_faulty_options(option: str, text: str, field: str, value: Any) -> None:
    """An option that cannot be read takes its default; a timeout above the interval becomes the interval."""
    assert getattr(only({f"lumetry.endpoint.{option}": text}), field) == value
