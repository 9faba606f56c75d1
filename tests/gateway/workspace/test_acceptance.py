"""The acceptance checks of contract workspace 15 that need the core as well: a real one, behind a real gateway."""

from typing import Any

import pytest
from sqlalchemy import select, text

from lumetry_core.migrations.tables import metadata
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.interceptors import Origin
from tests.gateway.workspace.conftest import PASSWORD, Deployment


def refusal(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


async def mint(deployment: Deployment, token: str, *scopes: str) -> str:
    """A new API key."""
    status, data = await deployment.ask(token, "POST", "/api-keys", {"name": "ci", "scopes": list(scopes)})
    assert status == 201, data
    return str(data["key"])


async def test_key_lives_until_it_is_revoked(deployment: Deployment) -> None:
    """2: a revoked key is nobody's; a second revocation conflicts; a second deletion of a project finds nothing."""
    ann = await deployment.login("ann")
    key = await mint(deployment, ann)
    assert key.startswith("alm_test_")
    assert (await deployment.ask(key, "GET", "/user"))[1]["credential"]["type"] == "api_key"
    status, project = await deployment.ask(key, "POST", "/projects", {"name": "Web"})
    assert status == 201
    assert await deployment.ask(key, "DELETE", "/projects/web") == (200, {"id": project["id"], "deleted": True})
    assert await deployment.ask(key, "DELETE", "/projects/web") == (404, refusal("NOT_FOUND", "Project not found"))
    [listed] = (await deployment.ask(ann, "GET", "/api-keys"))[1]["items"]
    assert (await deployment.ask(ann, "DELETE", f"/api-keys/{listed['id']}"))[0] == 200
    assert (await deployment.ask(ann, "DELETE", f"/api-keys/{listed['id']}"))[0] == 409
    assert await deployment.ask(key, "GET", "/user") == (401, refusal("UNAUTHORIZED", "Missing or invalid credential"))


async def test_other_organizations_find_nothing(deployment: Deployment) -> None:
    """3: objects of another organization are unknown on every route, to be read or to be written."""
    ann, eve = await deployment.login("ann"), await deployment.login("eve")
    project = (await deployment.ask(ann, "POST", "/projects", {"name": "Web"}))[1]
    await mint(deployment, ann)
    [key] = (await deployment.ask(ann, "GET", "/api-keys"))[1]["items"]
    slug = (await deployment.ask(ann, "GET", "/user"))[1]["orgSlug"]
    for method, path, body in (
        ("GET", f"/projects/{project['id']}", None),
        ("GET", "/projects/web", None),
        ("PATCH", f"/projects/{project['id']}", {"name": "Mine"}),
        ("DELETE", f"/projects/{project['id']}", None),
        ("DELETE", f"/api-keys/{key['id']}", None),
        ("GET", f"/orgs/{slug}", None),
    ):
        status, error = await deployment.ask(eve, method, path, body)
        assert (status, error["code"]) == (404, "NOT_FOUND"), path
    assert (await deployment.ask(ann, "GET", "/projects/web"))[1]["name"] == "Web"


async def test_programs_do_nothing_that_needs_a_browser(deployment: Deployment) -> None:
    """6: the keys of an owner are refused row by row with the documented words, and nothing changes."""
    admin = await deployment.login("admin")
    key = await mint(deployment, admin)
    before = (await deployment.ask(admin, "POST", "/projects", {"name": "Web"}))[1]
    [listed] = (await deployment.ask(admin, "GET", "/api-keys"))[1]["items"]
    manage = "API key management requires a browser session"
    privacy = "Log privacy settings require a browser session"
    for method, path, body, message in (
        ("POST", "/api-keys", {"name": "more"}, manage),
        ("DELETE", f"/api-keys/{listed['id']}", None, manage),
        ("PATCH", "/projects/web", {"visibility": 5, "name": []}, "Project sharing requires a browser session"),
        ("PATCH", "/projects/web", {"visibility": "private"}, "Project sharing requires a browser session"),
        ("PATCH", "/projects/web", {"settings": {"logs": {"allowPrivacyMode": True}}}, privacy),
        ("POST", "/projects", {"name": "x", "settings": {"logs": {"retentionDays": 1}}}, privacy),
    ):
        assert await deployment.ask(key, method, path, body) == (403, refusal("FORBIDDEN", message)), path
    after = (await deployment.ask(admin, "GET", "/projects/web"))[1]
    assert {name: after[name] for name in before} == before
    items = (await deployment.ask(admin, "GET", "/projects?status=all"))[1]["items"]
    assert sorted(item["slug"] for item in items) == ["default", "web"]
    assert len((await deployment.ask(admin, "GET", "/api-keys"))[1]["items"]) == 1


async def test_old_logins_step_up(deployment: Deployment, clock: Any) -> None:
    """1.5: a quarter of an hour after the login, keys and log settings need another one; a silent renewal is none."""
    origin = Origin("r", "192.0.2.1", None, None)
    login = await deployment.desk.login("admin", PASSWORD, origin)
    await deployment.ask(login.access_token, "POST", "/projects", {"name": "Web"})
    clock.advance(minutes=14)
    renewed = (await deployment.desk.refresh(login.refresh_token, origin)).access_token
    settings = {"settings": {"logs": {"scrubEmails": True}}}
    assert (await deployment.ask(renewed, "PATCH", "/projects/web", settings))[0] == 200
    clock.advance(minutes=2)
    stale = refusal("FORBIDDEN", "Step-up authentication required")
    assert await deployment.ask(renewed, "POST", "/api-keys", {"name": "ci"}) == (403, stale)
    assert await deployment.ask(renewed, "PATCH", "/projects/web", {"settings": {}}) == (403, stale)
    assert (await deployment.ask(renewed, "GET", "/projects/web"))[1]["settings"]["logs"]["scrubEmails"] is True


async def test_key_text_is_nowhere(deployment: Deployment) -> None:
    """7: neither a table nor a later answer has it."""
    ann = await deployment.login("ann")
    key = await mint(deployment, ann)
    assert (await deployment.ask(key, "GET", "/projects"))[0] == 200
    for path in ("/api-keys", "/user", "/orgs/my"):
        assert key not in str(await deployment.ask(ann, "GET", path))
    async with deployment.database.read() as tx:
        for table in metadata.sorted_tables:
            assert key not in str((await tx.execute(select(table))).all()), table.name
        assert (await tx.execute(text("SELECT count(*) FROM workspace_keys"))).scalar_one() == 1


async def test_sensitive_and_general_limits(deployment: Deployment, clock: Clock) -> None:
    """8: the eleventh key of a minute is a bad request, the 101st other call too many; both tell when to come back."""
    ann = await deployment.login("ann")
    for _ in range(10):
        await mint(deployment, ann)
    async with deployment.session.post("/api/v1/api-keys", json={"name": "x"}, headers={"Authorization": f"Bearer {ann}"}) as response:
        assert (response.status, (await response.json())["error"]) == (400, refusal("BAD_REQUEST", "Too many requests"))
        assert response.headers["Retry-After"] == "60"
    answers = [await deployment.ask(ann, "GET", "/user") for _ in range(101)]
    assert [status for status, _ in answers] == [200] * 100 + [429]
    assert answers[-1][1] == refusal("TOO_MANY_REQUESTS", "Too many requests")


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    [
        ({"name": "Web", "settings": {"logs": {"retentionDays": "30"}}}, 400, "BAD_REQUEST"),
        ({"name": "Web", "settings": {"logs": {"retentionDays": 401}}}, 422, "VALIDATION_ERROR"),
        ({"name": "", "settings": {"logs": {"retentionDays": 0}}}, 400, "BAD_REQUEST"),
        ({"name": 5, "settings": {"logs": {"retentionDays": 0}}}, 400, "BAD_REQUEST"),
    ],
)
async def test_faults_of_form_and_of_range(deployment: Deployment, settings: Any, status: int, code: str) -> None:
    """10: a wrong type is 400, a number out of its range 422, both 400."""
    answer = await deployment.ask(await deployment.login("ann"), "POST", "/projects", settings)
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_scopes_narrow_a_key(deployment: Deployment) -> None:
    """1.3: reading allows no writing, writing includes reading, and a key has no more rights than its owner."""
    ann, otto = await deployment.login("ann"), await deployment.login("otto")
    reader, writer = await mint(deployment, ann, "projects:read"), await mint(deployment, ann, "projects:write")
    helpless = await mint(deployment, otto, "projects:write")
    body = {"name": "Web"}
    assert [(await deployment.ask(key, "POST", "/projects", body))[0] for key in (reader, writer, helpless)] == [403, 201, 403]
    assert [(await deployment.ask(key, "GET", "/projects"))[0] for key in (reader, writer, helpless)] == [200] * 3
    assert (await deployment.ask(reader, "GET", "/user"))[0] == 403
    assert (await deployment.ask(None, "GET", "/user"))[0] == 401


async def test_private_project_of_a_colleague_is_unknown(deployment: Deployment) -> None:
    """4: only its owner sees it, whatever others may do."""
    ann, admin = await deployment.login("ann"), await deployment.login("admin")
    project = (await deployment.ask(ann, "POST", "/projects", {"name": "Mine", "visibility": "private"}))[1]
    assert (await deployment.ask(admin, "GET", f"/projects/{project['id']}"))[0] == 404
    assert (await deployment.ask(ann, "GET", "/projects/mine"))[1]["userId"] == (await deployment.ask(ann, "GET", "/user"))[1]["id"]
