"""Lab 06-ingress: who answers which host and path. Requests are sent to the controller's own Service with the name and
the path that a visitor outside would type; who answered is seen in the body, which is a Pod's name. Changes take a
moment to reach the controller, so every question is asked again until it is right or the moment has passed."""

from kindlab.checks import CouldNotGrade, Replies, check, enough
from kindlab.clock import token_hex

DOMAIN = "06.localhost"
SHOP, APPS, NEWS, BLOG, WWW = (f"{name}.{DOMAIN}" for name in ("shop", "apps", "news", "blog", "www"))
LOST_TEXT = "Nothing is moored here"
REQUESTS, FEWEST, MOST = 300, 8, 58
"""Of so many requests, each sent to the canary by chance with a probability of 10%, fewer or more than these reach it
less than once in a million times. A controller that takes turns hits 30."""
OF_SEVERAL = enough(2)
"""Requests of which some meet a Pod that does not belong there, where one of two or three behind a Service does not."""


def ask(lab, host, path, holds, count=1) -> Replies:
    door = lab.door("traefik")
    return lab.until(lambda: door.ask(lab.probe, host, path, False, count=count), holds)


def expect_from(lab, host, deployment, *paths, by_each=False):
    """Every path of the host is answered by the Pods of a Deployment; with `by_each` the first by each of them."""
    pods = lab.pods_of(deployment)
    lab.expect(pods, expected=f"ready Pods of Deployment {deployment}", seen="there are none")
    for path in paths:
        whole = by_each and path == paths[0]

        def right(replies, whole=whole):
            return replies.ok and (replies.bodies == pods.names if whole else replies.bodies <= pods.names)

        replies = ask(lab, host, path, right, count=enough(len(pods)))
        every = "every Pod" if len(pods) > 1 and whole else "a Pod"
        lab.expect(
            right(replies),
            expected=f"http://{host}{path} answered by {every} of Deployment {deployment}, and by nobody else",
            seen=replies,
            about=f"http://{host}{path}",
        )


def expect_not_from(lab, host, path, *deployments):
    """A request that must reach none of these."""
    pods = lab.pods_of(*deployments)
    replies = ask(lab, host, path, lambda found: not found.bodies & pods.names, count=OF_SEVERAL)
    lab.expect(
        not replies.bodies & pods.names,
        expected=f"http://{host}{path} not answered by {' or '.join(deployments)}",
        seen=replies,
        then=f"kubectl describe ingress -n {lab.namespace}",
    )


def somewhere() -> str:
    """A host name that no rule can name."""
    return f"nobody-{token_hex(4)}.{DOMAIN}"


# -- task class


@check("class", f"http://{SHOP} is answered by the Pods of stable, whatever the path")
def test_the_shop_is_served(lab):
    expect_from(lab, SHOP, "stable", "/", "/basket/17", by_each=True)


@check("class", "the shop answers to its own name only")
def test_the_shop_has_one_name(lab):
    expect_from(lab, SHOP, "stable", "/")
    expect_not_from(lab, somewhere(), "/", "stable")


# -- task paths


@check("paths", f"http://{APPS}/app1, and everything below it, is answered by app1")
def test_app1_has_all_its_paths(lab):
    expect_from(lab, APPS, "app1", "/app1", "/app1/", "/app1/help", by_each=True)


@check("paths", f"http://{APPS}/app2, and everything below it, is answered by app2")
def test_app2_has_all_its_paths(lab):
    expect_from(lab, APPS, "app2", "/app2", "/app2/", "/app2/help/me", by_each=True)


@check("paths", "other paths are not theirs, however alike")
def test_other_paths_are_not_theirs(lab):
    expect_from(lab, APPS, "app1", "/app1/help")
    expect_from(lab, APPS, "app2", "/app2/help")
    for path in ("/app10", "/app2x/help", "/help/app1", "/"):
        expect_not_from(lab, APPS, path, "app1", "app2")
    expect_not_from(lab, somewhere(), "/app1", "app1")


# -- task passed-on


def expect_page(lab, path, text):
    def right(replies):
        return replies.ok and all(text in r.body for r in replies)

    lab.settled("handbook")
    replies = ask(lab, APPS, path, right, count=OF_SEVERAL)
    lab.expect(
        right(replies),
        expected=f"a page with the words {text!r} at http://{APPS}{path}",
        seen=replies,
        hop="" if not from_nginx(replies) else f"Pod: nginx has no such page, for it was asked for {path}",
        about="" if from_nginx(replies) else f"http://{APPS}{path}",
        then=f"kubectl logs deployment/handbook -n {lab.namespace} --tail=3" if from_nginx(replies) else "",
    )


def from_nginx(replies: Replies) -> bool:
    """Whether the handbook's own server has answered that it does not know the page."""
    return any(r.code in (403, 404) and "nginx" in r.body for r in replies)


@check("passed-on", f"the handbook can be read at http://{APPS}/handbook/")
def test_the_handbook_opens(lab):
    expect_page(lab, "/handbook/", "Welcome aboard")


@check("passed-on", "its other page too, and a page that it has not got is not there")
def test_the_rules_can_be_read(lab):
    expect_page(lab, "/handbook/rules.html", "Nobody deploys on a Friday")
    path = f"/handbook/nothing-{token_hex(4)}.html"
    replies = ask(lab, APPS, path, lambda found: not found.ok)
    lab.expect(
        not replies.ok,
        expected=f"http://{APPS}{path}, of which the handbook knows nothing, is not found (404)",
        seen=replies,
        hop="Pod: nginx answers with one page whatever it is asked for",
        then=f"kubectl logs deployment/handbook -n {lab.namespace} --tail=3",
    )


# -- task hosts


@check("hosts", f"everything at http://{NEWS} is answered by news, /blog too")
def test_news_has_its_host(lab):
    expect_from(lab, NEWS, "news", "/", "/blog", "/2026/may", by_each=True)


@check("hosts", f"everything at http://{BLOG} is answered by blog")
def test_blog_has_its_host(lab):
    expect_from(lab, BLOG, "blog", "/", "/news", "/2026/may", by_each=True)


@check("hosts", "neither answers to another name")
def test_no_other_host_is_theirs(lab):
    expect_from(lab, NEWS, "news", "/blog")
    expect_from(lab, BLOG, "blog", "/")
    expect_not_from(lab, somewhere(), "/", "news", "blog")
    expect_not_from(lab, somewhere(), "/blog", "news", "blog")


# -- task default-backend


def expect_lost(lab, host, path):
    def right(replies):
        return all(r.code == 404 and LOST_TEXT in r.body for r in replies)

    replies = ask(lab, host, path, right, count=OF_SEVERAL)
    lab.expect(
        right(replies),
        expected=f"http://{host}{path}, which no rule matches, answered by the page of Deployment lost (status 404)",
        seen=replies,
        about=f"http://{host}{path}",
    )


@check("default-backend", "a host name that no rule names leads to the page of lost")
def test_an_unknown_host_is_told_so(lab):
    expect_lost(lab, somewhere(), "/")
    expect_lost(lab, somewhere(), "/any/path")


@check("default-backend", f"so does a path of {APPS} that no rule matches")
def test_an_unknown_path_is_told_so(lab):
    expect_lost(lab, APPS, "/nowhere")


# -- task canary-path


@check("canary-path", f"http://{SHOP}/canary, and everything below it, is answered by the canary")
def test_the_canary_has_its_path(lab):
    expect_from(lab, SHOP, "canary", "/canary", "/canary/", "/canary/basket", by_each=True)


@check("canary-path", "all other paths of the shop stay with stable")
def test_the_rest_stays_stable(lab):
    expect_from(lab, SHOP, "canary", "/canary/basket")
    expect_from(lab, SHOP, "stable", "/", "/canaryland", "/basket/canary")


# -- task canary-weight


@check("canary-weight", f"every request to http://{WWW} is answered by stable or by the canary")
def test_www_answers(lab):
    pods = lab.pods_of("stable", "canary")
    for path in ("/", "/basket/17"):
        replies = ask(lab, WWW, path, lambda found: found.ok and found.bodies <= pods.names, count=OF_SEVERAL)
        lab.expect(
            replies.ok and replies.bodies <= pods.names,
            expected=f"every request to http://{WWW}{path} answered by a Pod of stable or canary",
            seen=replies,
            about=f"http://{WWW}{path}",
        )


@check("canary-weight", f"about one in ten requests to http://{WWW} reaches the canary, and the others stable")
def test_one_in_ten_reaches_the_canary(lab):
    stable, canary = lab.pods_of("stable").names, lab.pods_of("canary").names
    if not stable or not canary:
        raise CouldNotGrade("Deployments stable and canary have no ready Pods to tell apart")

    def share(replies):
        return sum(r.body.strip() in canary for r in replies)

    def right(replies):
        return replies.ok and replies.bodies <= stable | canary and FEWEST <= share(replies) <= MOST

    replies = ask(lab, WWW, "/", right, count=REQUESTS)
    lab.expect(
        right(replies),
        expected=f"about {REQUESTS // 10} of {REQUESTS} requests to http://{WWW}/ answered by the canary, "
        "the others by stable",
        seen=f"{share(replies)} of {len(replies)} by the canary" if replies.ok else replies,
        then=f"kubectl get httproute -n {lab.namespace} -o yaml",
    )
