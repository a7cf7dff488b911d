import base64

import pytest
from tests.golden.connection import Connection, decode
from tests.unit.golden.fake import kubeconfig, serve


@pytest.fixture
def fake(tmp_path):
    with serve(tmp_path) as server:
        yield server


def test_decoding_takes_only_objects_and_arrays_for_json():
    assert decode(b'{"a": 1}') == {"a": 1}
    assert decode(b"[1]") == [1]
    assert decode(b"20") == "20"
    assert decode(b"404 page not found\n") == "404 page not found\n"


def test_a_token_file_is_read(fake, tmp_path):
    (tmp_path / "token").write_text("t1\n")
    path = tmp_path / "other"
    text = fake.kubeconfig.read_text()
    path.write_text(text.replace("token: t0", "tokenFile: token"))
    connection = Connection(path)
    connection.request("GET", "/healthz")
    connection.close()
    assert fake.requests[0].headers["Authorization"] == "Bearer t1"


def test_a_servers_path_and_queries_are_kept(fake, tmp_path):
    path = tmp_path / "other"
    server = fake.kubeconfig.read_text().split("server: ")[1].split()[0]
    path.write_text(kubeconfig(f"{server}/prefix/"))
    connection = Connection(path)
    connection.request("GET", "/api/v1/pods", query={"labelSelector": "a in (b, c)", "limit": ""})
    connection.close()
    assert fake.requests[0].path == "/prefix/api/v1/pods"
    assert fake.requests[0].query == {"labelSelector": "a in (b, c)", "limit": ""}


def test_every_warning_header_is_kept(fake):
    fake.script["GET", "/x"] = 200, {}, [("Warning", '299 - "a"'), ("Warning", '299 - "b"')]
    connection = Connection(fake.kubeconfig)
    answer = connection.request("GET", "/x")
    connection.close()
    assert answer.warnings == ['299 - "a"', '299 - "b"']


def test_a_plugin_is_refused(tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig("https://x").replace("token: t0", "exec: {}"))
    with pytest.raises(ValueError, match="not supported"):
        Connection(path)


def test_a_missing_context_is_named(tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig("https://x").replace("current-context: c", "current-context: d"))
    with pytest.raises(ValueError, match="no 'd' among contexts"):
        Connection(path)


def test_an_authority_that_is_none_is_refused(tmp_path):
    data = base64.b64encode(b"no certificate").decode()
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig("https://x").replace("server:", f"certificate-authority-data: {data}\n    server:"))
    with pytest.raises(OSError, match=r"(?i)cert|no start line"):
        Connection(path)
