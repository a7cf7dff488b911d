"""Who may use `kubectl proxy`: no web page but its own."""

from __future__ import annotations

import pytest

from kindlab.kubectl.proxying import HOSTS, is_foreign


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [
        ("", False),
        ("http://127.0.0.1:8001", False),
        ("http://127.0.0.1:8080", True),  # a Pod's page, by way of the ingress controller
        ("https://evil.example.com", True),
        ("http://127.0.0.1.evil.example.com:8001", True),
        ("null", True),
    ],
)
def test_attack_a_web_page_that_posts_to_the_proxy(origin: str, foreign: bool) -> None:
    assert is_foreign(origin, "127.0.0.1:8001") is foreign


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.example.com:8001", "localhost.evil.com", ""])
def test_attack_a_name_that_leads_to_this_machine(host: str) -> None:
    assert HOSTS.fullmatch(host) is None
