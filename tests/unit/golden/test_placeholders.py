import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.golden.placeholders import Unbound, World, match, substitute

UID = "0f9cbb2e-57a0-4a6e-9c1c-0a4e0a3f2d11"


@pytest.mark.parametrize(
    ("golden", "actual"),
    [
        ("<uid>", UID),
        ("<rv>", "417"),
        ("<time>", "2026-02-10T09:08:07Z"),
        ("<time>", "2026-02-10T09:08:07.123456Z"),
        ("<time>", "Tue, 10 Feb 2026 09:08:07 +0000"),
        ("<time>", "Tue, 10 Feb 2026 09:08:07 GMT"),
        ("<time>", "Tue Feb 10 09:08:07 UTC 2026"),
        ("<time>", 1770714487123456789),
        ("<age>", "3m22s"),
        ("web-<hash>-<rand.1>", "web-7c5ddbdf54-x2b4z"),
        ("kube-api-access-<rand>", "kube-api-access-9xk2p"),
        ("solo.<rand>", "solo.17f3a5c6d7e8f901"),
        ("<podIP.1:dashed>.web", "10-244-0-5.web"),
        ("<nodePort>", 30123),
        ("<none>", "<none>"),
        ("<node:a|b>", "b"),
        ("<klog> helpers.go:719] x", "W0210 09:08:07.123456   12345 helpers.go:719] x"),
    ],
)
def test_values_of_their_kind_match(golden, actual):
    assert match(golden, actual, World()) is not None


@pytest.mark.parametrize(
    ("golden", "actual"),
    [
        ("<uid>", "not-a-uid"),
        ("<rv>", ""),
        ("<rv>", 417),  # a resourceVersion is a string
        ("<nodePort>", 80),
        ("<nodePort>", True),
        ("<time>", "yesterday"),
        ("<time>", 1770714487),
        ("<time>", None),
        ("<age>", "old"),
        ("web-<hash>-<rand.1>", "web-7c5ddbdf54-aeiou"),
        ("<none>", "<unset>"),
        ("<node:a|b>", "c"),
        ("plain", "other"),
        ("a <uid> b", f"a {UID} c"),
    ],
)
def test_values_of_another_kind_do_not(golden, actual):
    assert match(golden, actual, World()) is None


def test_a_numbered_placeholder_keeps_its_value():
    world = match("<podIP.1>", "10.244.0.5", World())
    assert match("<podIP.1>:8080", "10.244.0.5:8080", world)
    assert match("<podIP.1>:8080", "10.244.0.6:8080", world) is None
    assert match("<podIP.1:dashed>.web", "10-244-0-5.web", world)
    assert match("<podIP.1:dashed>.web", "10-244-0-6.web", world) is None
    assert match("<podIP.1:reversed>.in-addr.arpa", "5.0.244.10.in-addr.arpa", world)


def test_the_same_placeholder_twice_in_a_text():
    assert match("<clusterIP>,<clusterIP>", "10.96.0.7,10.96.0.7", World())
    assert match("<clusterIP>,<clusterIP>", "10.96.0.7,10.96.0.8", World()) is None


def test_two_numbers_may_not_share_a_value_within_an_answer():
    world = match("<podIP.1>", "10.244.0.5", World())
    assert match("<podIP.2>", "10.244.0.5", world) is None
    assert match("<podIP.2>", "10.244.0.5", world.next_answer()), "an address may be used again later"


def test_unnumbered_rand_is_any_value_each_time():
    world = match("a.<rand>", "a.17f3", World())
    assert match("a.<rand>", "a.9999", world)


def test_columns_may_move_but_not_vanish():
    golden = "web    ClusterIP   <clusterIP.1>   80/TCP"
    assert match(golden, "web    ClusterIP   10.96.0.7   80/TCP", World(), columns=True)
    assert match(golden, "web  ClusterIP  10.96.0.7       80/TCP", World(), columns=True)
    assert match(golden, "webClusterIP 10.96.0.7 80/TCP", World(), columns=True) is None
    assert match("  IP: <podIP>", "IP: 10.0.0.1", World(), columns=True) is None, "indentation counts"
    assert match(golden, "web  ClusterIP  10.96.0.7       80/TCP", World()) is None


def test_substitution():
    world = match("<clusterIP.1>", "10.96.0.7", World())
    world = match("web-<hash>-<rand>", "web-7c5ddbdf54-x2b4z", world)
    world = match("pvc-<uid>", f"pvc-{UID}", world)
    assert substitute("/x/<clusterIP.1>", world) == "/x/10.96.0.7"
    assert substitute("<clusterIP.1:dashed>.a", world) == "10-96-0-7.a"
    assert substitute("<clusterIP.1:reversed>.in-addr.arpa", world) == "7.0.96.10.in-addr.arpa"
    assert substitute("/pods/web-<hash>-<rand>/eviction", world) == "/pods/web-7c5ddbdf54-x2b4z/eviction"
    assert substitute("/pv/pvc-<uid>", world) == f"/pv/pvc-{UID}"
    assert substitute("s/<none>/<b>/", world) == "s/<none>/<b>/"


def test_the_latest_value_is_substituted():
    world = World()
    for value in ("1", "2", "3"):
        world = match("<rv>", value, world)
    assert substitute("rv=<rv>", world) == "rv=3"


def test_substituting_an_unknown_value_is_an_error():
    with pytest.raises(Unbound):
        substitute("<podIP.4>", World())


@given(st.text(max_size=40), st.text(max_size=40))
def test_texts_without_placeholders_match_only_themselves(golden, actual):
    golden = golden.replace("<", "(")
    assert (match(golden, actual, World()) is not None) == (golden == actual)


@given(st.ip_addresses(v=4), st.sampled_from(["", ":dashed", ":reversed"]))
def test_what_was_bound_is_substituted_in_every_form(address, form):
    world = match("<podIP.1>", str(address), World())
    text = substitute(f"<podIP.1{form}>", world)
    assert match(f"<podIP.1{form}>", text, world) is not None
