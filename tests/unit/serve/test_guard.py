"""Who may ask."""

from __future__ import annotations

import os
import stat

import pytest

from tilth.errors import InputError, Refused
from tilth.serve.guard import admin_token, guard, is_loopback

HOST = {b"host": b"127.0.0.1:8500", b"content-type": b"application/json"}
TOKEN = "a-token-that-is-long"


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# clients\nshop {TOKEN}\n\nbank another-token-that-is-long # of the bank\n")
    return path


def bearer(token):
    return {**HOST, b"authorization": f"Bearer {token}".encode()}


def test_on_loopback_no_token_is_needed_but_the_right_host():
    found = guard("127.0.0.1", None).with_admin("s" * 20)
    assert found.client("POST", "/predict", HOST) == ""
    for host in (b"localhost", b"[::1]:8500", b"LOCALHOST:1"):
        assert found.client("GET", "/metrics", {b"host": host}) == ""
    for host in (b"evil.example", b"127.0.0.1.evil.example", b"", b"127.0.0.2"):
        assert found.client("POST", "/predict", {**HOST, b"host": host})[0] == 421


def test_pages_of_other_sites_are_refused():
    found = guard("127.0.0.1", None).with_admin("s" * 20)
    assert found.client("POST", "/feedback", {**HOST, b"origin": b"http://127.0.0.1:8500"}) == ""
    assert found.client("POST", "/feedback", {**HOST, b"origin": b"http://evil.example"})[0] == 403
    assert found.client("POST", "/feedback", {**HOST, b"origin": b"null"})[0] == 403
    assert found.client("GET", "/releases", {**HOST, b"sec-fetch-site": b"cross-site"})[0] == 403
    assert found.client("POST", "/feedback", {**HOST, b"content-type": b"text/plain"})[0] == 415


def test_only_the_admin_changes_what_is_served(tokens):
    for where in (None, tokens):
        found = guard("127.0.0.1", where).with_admin("s" * 20)
        assert found.client("POST", "/admin/releases", bearer("s" * 20)) == "admin"
        assert found.client("POST", "/admin/releases", bearer("t" * 20))[0] == 401
    assert found.client("POST", "/admin/rollback", bearer(TOKEN))[0] == 403
    assert guard("127.0.0.1", None).with_admin("s" * 20).client("POST", "/admin/rollback", HOST)[0] == 403


def test_where_others_reach_it_tokens_are_needed(tokens):
    with pytest.raises(Refused, match="--tokens"):
        guard("0.0.0.0", None)
    found = guard("0.0.0.0", tokens).with_admin("s" * 20)
    assert found.client("POST", "/predict", bearer(TOKEN)) == "shop"
    assert found.client("POST", "/predict", {**bearer(TOKEN), b"host": b"serve.example"}) == "shop"
    assert found.client("POST", "/predict", HOST)[0] == 401
    assert found.client("GET", "/metrics", HOST)[0] == 401
    assert found.client("GET", "/healthz", HOST) == ""
    assert found.client("POST", "/predict", {**HOST, b"authorization": b"Basic abc"})[0] == 401


def test_a_file_of_tokens_is_checked(tmp_path):
    path = tmp_path / "tokens"
    for text in (
        "",
        "shop\n",
        "shop short\n",
        f"shop {TOKEN}\nbank {TOKEN}\n",
        f"a/b {TOKEN}\n",
        f"a:b {TOKEN}\n",
    ):
        path.write_text(text)
        with pytest.raises(InputError):
            guard("127.0.0.1", path)
    with pytest.raises(InputError, match="cannot read"):
        guard("127.0.0.1", tmp_path / "nothing")


def test_a_token_with_a_hash_in_it_is_whole(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# ours\nshop {TOKEN}#1 # until May\n")
    found = guard("0.0.0.0", path).with_admin("s" * 20)
    assert found.client("GET", "/metrics", bearer(f"{TOKEN}#1")) == "shop"
    assert found.client("GET", "/metrics", bearer(TOKEN))[0] == 401


def test_the_token_of_the_admin_is_for_this_user_alone(tmp_path):
    first = admin_token(tmp_path)
    assert admin_token(tmp_path) != first
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "admin.token").stat().st_mode) == 0o600


def test_loopback_is_told_by_the_address():
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "")))
