import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.activity.model import ItemFilter, Sight
from lumetry_core.activity.service.reading import list_activity
from lumetry_core.billing.model import Meter
from lumetry_core.billing.store.usage import usage_levels
from lumetry_core.files.draft import Draft
from lumetry_core.files.model import Content, File, Kind, Page
from lumetry_core.files.receiving import receiving
from lumetry_core.files.service import reading, writing
from lumetry_core.files.storage import Storage
from lumetry_core.files.store.files import files
from lumetry_core.files.worker import FileKeeper
from lumetry_core.projects.draft import Draft as ProjectDraft
from lumetry_core.projects.service import create as create_project
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.sessions.draft import SessionDraft
from lumetry_core.sessions.service.writing import create as create_session

OWNER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, user_name="ann", stepped_up=True)
OTHER = replace(OWNER, user_id=4, user_name="bob")
MANAGER = replace(OTHER, permissions=frozenset({Permission.MANAGE_WORKSPACE}))
STRANGER = replace(OWNER, organization_id=8)
KEY = replace(OWNER, kind=CredentialKind.WORKSPACE_KEY, stepped_up=False)
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


async def folder(database: Database, clock: Clock, name: str, caller: Caller = OWNER, **fields: Any) -> File:
    async with database.write() as tx:
        return await writing.create(tx, caller, Kind.FOLDER, Draft(name=name, **fields), clock.now())


async def upload(database: Database, clock: Clock, sent_name: str, data: bytes = b"x", caller: Caller = OWNER, **fields: Any) -> File:
    """A file without bytes on the disk."""
    number = hashlib.sha256(f"{sent_name}{fields}".encode()).hexdigest()
    content = Content(f"{number[:8]}-{number[8:12]}-4000-8000-{number[12:24]}", len(data), hashlib.sha256(data).hexdigest(), "text/plain")
    async with database.write() as tx:
        return await writing.keep_upload(tx, caller, sent_name, Draft(**fields), content, clock.now())


async def update(database: Database, clock: Clock, file: File, caller: Caller = OWNER, **fields: Any) -> File:
    async with database.write() as tx:
        return await writing.update(tx, caller, file.id, Draft(**fields), set(fields), clock.now())


async def trash(database: Database, clock: Clock, file: File, caller: Caller = OWNER) -> None:
    async with database.write() as tx:
        await writing.trash(tx, caller, file.id, clock.now())


async def purge(database: Database, clock: Clock, file: File, caller: Caller = OWNER) -> list[str]:
    async with database.write() as tx:
        return [each.name for each in await writing.purge(tx, caller, file.id, clock.now())]


async def page(database: Database, caller: Caller = OWNER, **wanted: Any) -> Page:
    async with database.read() as tx:
        return await reading.list_files(tx, caller, **wanted)


async def names(database: Database, caller: Caller = OWNER, **wanted: Any) -> list[str]:
    return [file.name for file in (await page(database, caller, **wanted)).files]


async def count(database: Database) -> int:
    async with database.read() as tx:
        return int((await tx.execute(select(func.count()).select_from(files))).scalar_one())


async def actions(database: Database) -> list[str]:
    async with database.read() as tx:
        return list((await tx.execute(select(audit_logs.c.action).order_by(audit_logs.c.id))).scalars())


async def metered(database: Database) -> int:
    """The bytes on the meter."""
    async with database.read() as tx:
        read = select(func.coalesce(func.sum(usage_levels.c.quantity), 0)).where(usage_levels.c.meter == Meter.FILE_BYTES)
        return int((await tx.execute(read)).scalar_one())


async def private_project(database: Database, clock: Clock) -> str:
    async with database.write() as tx:
        return (await create_project(tx, OWNER, ProjectDraft(name="Mine", visibility="private"), clock.now())).id


async def reason_of(action: Any) -> tuple[Reason, Sequence[Fault]]:
    with pytest.raises(LumetryError) as raised:
        await action
    return raised.value.reason, raised.value.faults


async def test_keep_upload_makes_a_file_and_counts_it(database: Database, clock: Any) -> None:
    """The file has what the fields say, its bytes are on the meter, and the audit tells of it."""
    project_id = await private_project(database, clock)
    file = await upload(database, clock, "a.txt", b"hello", name=" Cafe\u0301 ", project_id="mine", metadata='{"a":1}')
    async with database.read() as tx:
        assert await reading.get_file(tx, OWNER, file.id) == file
    assert (file.name, file.kind, file.owner_id, file.project_id) == ("Café", Kind.FILE, 3, project_id)
    assert (file.size, file.metadata) == (5, {"a": 1})
    assert await metered(database) == 5
    assert (await actions(database))[-1] == "File.Uploaded"


async def test_keep_upload_that_fails_changes_nothing(database: Database, clock: Any) -> None:
    """References that do not exist, a parent that is no folder and faulty fields leave neither a row nor usage."""
    file = await upload(database, clock, "a.txt")
    parent = (Reason.VALIDATION_FAILED, (Fault("parentId", "must be a folder"),))
    assert await reason_of(upload(database, clock, "b", parent_id=file.id)) == parent
    for fields in ({"project_id": "nope"}, {"session_id": UNKNOWN_ID}, {"incident_id": 99}, {"parent_id": UNKNOWN_ID}, {"parent_id": "\0"}):
        assert (await reason_of(upload(database, clock, "b", **fields)))[0] in (Reason.NOT_FOUND, Reason.VALIDATION_FAILED), fields
    for name in ("", "a/b", "a\\b", "..\\..\\x", "a\r\nb", "a\0b", "n" * 256):
        reason, [fault, *_] = await reason_of(upload(database, clock, name))
        assert (reason, fault.path) == (Reason.VALIDATION_FAILED, "name"), name
    assert (await count(database), await metered(database)) == (1, 1)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://x", "https://", "http://a b", "https://x/" + "y" * 2048, "http://[", "//x"])
async def test_create_link_elsewhere_than_the_web_fails(database: Database, clock: Any, url: str) -> None:
    """A link leads to an http or https address of at most 2,048 characters."""
    async with database.write() as tx:
        reason, [fault, *_] = await reason_of(writing.create(tx, OWNER, Kind.LINK, Draft(name="l", url=url), clock.now()))
    assert (reason, fault.path) == (Reason.VALIDATION_FAILED, "url")


async def test_list_files_pages_and_filters(database: Database, clock: Any) -> None:
    """Newest first, with the number of all; search ignores case; folders and the top level are told apart; strangers see nothing."""
    top = await folder(database, clock, "Top")
    for name in ("b 100%", "C", "a"):
        clock.advance(seconds=1)
        await upload(database, clock, name, parent_id=top.id if name == "a" else None)
    found = await page(database, page=1, limit=3)
    assert ([file.name for file in found.files], found.number, found.limit, found.total) == (["a", "C", "b 100%"], 1, 3, 4)
    assert await names(database, page=2, limit=3) == ["Top"]
    assert (await page(database, page=9)).files == []
    assert await names(database, search="c") == ["C"]
    assert await names(database, search="%") == ["b 100%"]
    assert await names(database, parent_id="root") == ["C", "b 100%", "Top"]
    assert await names(database, parent_id=top.id) == ["a"]
    assert await names(database, project_id="nope") == []
    assert await names(database, STRANGER) == []
    reason, faults = await reason_of(page(database, page=0, limit=101))
    assert (reason, [fault.path for fault in faults]) == (Reason.OUT_OF_RANGE, ["page", "limit"])


async def test_private_projects_hide_their_files(database: Database, clock: Any) -> None:
    """What belongs to a private project, to a session of one, or lies below a folder of one, exists for its owner only."""
    project_id = await private_project(database, clock)
    async with database.write() as tx:
        session = await create_session(tx, OWNER, SessionDraft(project_id=project_id), None, clock.now())
    hidden = await folder(database, clock, "hidden", project_id=project_id)
    inner = await folder(database, clock, "inner", parent_id=hidden.id)
    deep = await upload(database, clock, "deep", parent_id=inner.id)
    await upload(database, clock, "attached", session_id=session.id)
    await upload(database, clock, "open")
    assert sorted(await names(database)) == ["attached", "deep", "hidden", "inner", "open"]
    assert await names(database, MANAGER) == ["open"]
    for action in (
        update(database, clock, deep, MANAGER, name="x"),
        trash(database, clock, deep, MANAGER),
        upload(database, clock, "x", caller=MANAGER, parent_id=inner.id),
    ):
        assert (await reason_of(action))[0] is Reason.NOT_FOUND
    async with database.read() as tx:
        assert await reading.find_visible_files(tx, OWNER, [deep.id, UNKNOWN_ID, "\0"]) == {deep.id}
        assert await reading.find_visible_files(tx, MANAGER, [deep.id]) == set()


async def test_the_feed_tells_others_nothing_of_hidden_files(database: Database, clock: Any) -> None:
    """Uploads and deletions belong to the project of the file, of its session and of the folders above it; a private one hides them."""
    project_id = await private_project(database, clock)
    async with database.write() as tx:
        team = await create_project(tx, OWNER, ProjectDraft(name="Team"), clock.now())
        session = await create_session(tx, OWNER, SessionDraft(project_id=project_id), None, clock.now())
    hidden = await folder(database, clock, "hidden", project_id=project_id)
    inner = await folder(database, clock, "inner", parent_id=hidden.id)
    deep = await upload(database, clock, "deep", parent_id=inner.id)
    await upload(database, clock, "attached", session_id=session.id)
    await upload(database, clock, "both", project_id=team.id, session_id=session.id)
    await upload(database, clock, "open", project_id=team.id)
    await trash(database, clock, deep)
    async with database.read() as tx:
        page = await list_activity(tx, 7, ItemFilter(kinds=frozenset({"file"})), Sight())
        others = await list_activity(tx, 7, ItemFilter(kinds=frozenset({"file"})), Sight(frozenset({project_id})))
    assert [(item.draft.title, item.draft.project_ids) for item in page.items] == [
        ("File deleted: deep", (project_id,)),
        ("File uploaded: open", (team.id,)),
        ("File uploaded: both", (project_id,)),
        ("File uploaded: attached", (project_id,)),
        ("File uploaded: deep", (project_id,)),
    ]
    assert [item.draft.title for item in others.items] == ["File uploaded: open"]


async def test_update_changes_what_is_named(database: Database, clock: Any) -> None:
    """Fields that are named change, null clears; without a change nothing is written."""
    top = await folder(database, clock, "Top")
    file = await upload(database, clock, "a", b"abc", parent_id=top.id)
    clock.advance(seconds=5)
    assert await update(database, clock, file, name="a") == file
    changed = await update(database, clock, file, name="b", parent_id=None, metadata="{}")
    assert changed == replace(file, name="b", parent_id=None, update_time=clock.now())
    assert await names(database, search="B") == ["b"]
    reason, faults = await reason_of(update(database, clock, file))
    assert (reason, faults[0].message) == (Reason.VALIDATION_FAILED, "No field to change was given")
    assert (await reason_of(update(database, clock, file, name=None)))[0] is Reason.VALIDATION_FAILED
    assert (await reason_of(update(database, clock, file, STRANGER, name="x")))[0] is Reason.NOT_FOUND
    assert (await reason_of(update(database, clock, file, OTHER, name="x")))[0] is Reason.PERMISSION_DENIED
    assert (await update(database, clock, file, MANAGER, name="c")).name == "c"


async def test_update_refuses_a_folder_below_itself(database: Database, clock: Any) -> None:
    """A folder goes neither into itself nor below itself."""
    top = await folder(database, clock, "Top")
    middle = await folder(database, clock, "Middle", parent_id=top.id)
    bottom = await folder(database, clock, "Bottom", parent_id=middle.id)
    for parent in (top, middle, bottom):
        assert (await reason_of(update(database, clock, top, parent_id=parent.id)))[0] is Reason.CONFLICT
    assert (await update(database, clock, bottom, parent_id=top.id)).parent_id == top.id


async def test_trash_takes_everything_below(database: Database, clock: Any) -> None:
    """A folder goes to the trash with what is in it, once; what is there cannot be used any more but stays on the meter."""
    top = await folder(database, clock, "Top")
    inner = await folder(database, clock, "Inner", parent_id=top.id)
    file = await upload(database, clock, "a", b"abc", parent_id=inner.id)
    assert (await reason_of(trash(database, clock, top, OTHER)))[0] is Reason.PERMISSION_DENIED
    await trash(database, clock, top)
    assert await names(database) == []
    assert sorted(await names(database, trashed=True)) == ["Inner", "Top", "a"]
    for action in (trash(database, clock, top), update(database, clock, file, name="x"), upload(database, clock, "b", parent_id=top.id)):
        assert (await reason_of(action))[0] is Reason.NOT_FOUND
    assert await metered(database) == 3


async def test_trash_of_a_folder_with_files_of_others_needs_a_manager(database: Database, clock: Any) -> None:
    """Nobody deletes what others put into their folder."""
    top = await folder(database, clock, "Top")
    await upload(database, clock, "a", caller=OTHER, parent_id=top.id)
    assert (await reason_of(trash(database, clock, top)))[0] is Reason.PERMISSION_DENIED
    await trash(database, clock, top, MANAGER)
    assert await names(database) == []


async def test_purge_drops_from_the_trash_for_good(database: Database, clock: Any) -> None:
    """Only fresh logins purge, only what is in the trash, with everything below it; the meter goes down."""
    top = await folder(database, clock, "Top")
    await upload(database, clock, "a", b"abc", parent_id=top.id)
    assert (await reason_of(purge(database, clock, top)))[0] is Reason.CONFLICT
    await trash(database, clock, top)
    assert (await reason_of(purge(database, clock, top, KEY)))[0] is Reason.INTERACTIVE_ONLY
    assert (await reason_of(purge(database, clock, top, replace(OWNER, stepped_up=False))))[0] is Reason.STEP_UP_REQUIRED
    assert (await reason_of(purge(database, clock, top, STRANGER)))[0] is Reason.NOT_FOUND
    assert sorted(await purge(database, clock, top)) == ["Top", "a"]
    assert (await reason_of(purge(database, clock, top)))[0] is Reason.NOT_FOUND
    assert (await count(database), await metered(database)) == (0, 0)
    assert (await actions(database))[-1] == "File.Purged"


async def receive(database: Database, clock: Clock, storage: Storage, data: bytes) -> File:
    """A whole upload."""
    async with receiving(storage, "text/plain", "a.txt") as receiver:
        await receiver.write(data)
        content = await receiver.settle(7)

        async def keep() -> File:
            async with database.write() as tx:
                return await writing.keep_upload(tx, OWNER, "a.txt", Draft(), content, clock.now())

        return await receiver.record(keep())


async def test_receiving_leaves_nothing_of_what_fails(
    database: Database, clock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that leaves, a type that is refused, a full disk: no file, no row."""
    storage = Storage(tmp_path)

    async def receive_as(declared: str, data: bytes) -> None:
        async with receiving(storage, declared, "a.png") as receiver:
            await receiver.write(data)
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await receive_as("text/plain", b"half")
    with pytest.raises(LumetryError, match="not valid"):
        await receive_as("image/png", b"x" * 5000)
    with monkeypatch.context() as patch:
        patch.setattr("os.write", lambda _descriptor, _data: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert (await reason_of(receive(database, clock, storage, b"data")))[0] is Reason.STORE_UNAVAILABLE
    assert list((tmp_path / "incoming").iterdir()) == []
    assert await count(database) == 0


async def test_keeper_purges_after_thirty_days_and_clears_away(database: Database, clock: Any, tmp_path: Path) -> None:
    """What was trashed long ago goes with its bytes; bytes without a row go, files stay."""
    async with database.write() as tx:
        organization = await create_organization(tx, "Org", clock.now())
    storage = Storage(tmp_path)
    caller = replace(OWNER, organization_id=organization.id)

    async def put(name: str) -> File:
        async with receiving(storage, "text/plain", name) as receiver:
            await receiver.write(b"abc")
            content = await receiver.settle(organization.id)

            async def keep() -> File:
                async with database.write() as tx:
                    return await writing.keep_upload(tx, caller, name, Draft(), content, clock.now())

            return await receiver.record(keep())

    kept, old = await put("kept"), await put("old")
    await trash(database, clock, old, caller)
    orphan = storage.begin()
    storage.settle(orphan, organization.id)
    storage.release(orphan, keep=True)
    keeper = FileKeeper(database, storage)
    assert await keeper.tick(clock.now()) is False
    assert sorted(storage.list_places(organization.id)) == sorted([kept.id, old.id])
    await keeper.tick(clock.advance(days=30) - timedelta(milliseconds=1))
    assert await count(database) == 2
    await keeper.tick(clock.now())
    assert (list(storage.list_places(organization.id)), await count(database), await metered(database)) == ([kept.id], 1, 3)
