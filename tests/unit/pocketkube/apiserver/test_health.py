"""Health: the checks by their names, one or all of them."""

from __future__ import annotations

import pytest
from tests.unit.pocketkube.apiserver.world import World


async def text(world: World, path: str) -> tuple[int, str]:
    response = await world.call("GET", path)
    return response.status, await response.text()


@pytest.mark.parametrize("name", ["healthz", "livez", "readyz"])
async def test_all_checks_and_each(world: World, name: str) -> None:
    assert await text(world, f"/{name}") == (200, "ok")
    code, listed = await text(world, f"/{name}?verbose")
    *lines, last, end = listed.split("\n")
    assert (code, last, end) == (200, f"{name} check passed", "")
    assert lines[:3] == ["[+]ping ok", "[+]log ok", "[+]etcd ok"]
    assert "[+]poststarthook/rbac/bootstrap-roles ok" in lines
    assert ("[+]shutdown ok" in lines) == (name == "readyz")
    for line in lines:
        assert await text(world, f"/{name}/{line[3:-3]}") == (200, "ok")
    assert (await text(world, f"/{name}/nothing"))[0] == 404


async def test_checks_may_be_excluded(world: World) -> None:
    _, listed = await text(world, "/livez?verbose&exclude=etcd&exclude=b&exclude=a")
    assert "[+]etcd excluded: ok\n" in listed
    assert listed.endswith('warn: some health checks cannot be excluded: no matches for "a","b"\nlivez check passed\n')
