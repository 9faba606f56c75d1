from dataclasses import replace
from datetime import timedelta

from lumetry_core.alerts.monitors import Entity, EntityType
from lumetry_core.alerts.service.handling import close
from lumetry_core.certificates.model import AlertType, Check, Presented, Status
from lumetry_core.certificates.service.recording import Look, record_looks
from lumetry_core.certificates.store.monitors import update_monitors
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import spell_time
from tests.conftest import FakeClock
from tests.core.certificates.authority import NOW, issue, make_intermediate
from tests.core.certificates.building import CALLER, UNTRUSTED, World, kinds, present


async def test_record_valid(world: World) -> None:
    """The check, the status, when to look next, and that there was a check."""
    created = await world.create()
    issued = issue("example.org", days=60)
    after = await world.look(created, present(issued))
    listed = await world.get(created.id)
    assert listed.monitor == after
    assert after == replace(
        created,
        status=Status.VALID,
        last_check_time=NOW,
        next_check_time=after.next_check_time,
        latest_check_id=listed.latest.id if listed.latest else None,
    )
    assert after.next_check_time is not None
    assert timedelta(seconds=43_200 * 0.95) <= after.next_check_time - NOW <= timedelta(seconds=43_200)
    assert listed.latest == Check(
        id=listed.latest.id,
        monitor_id=created.id,
        check_time=NOW,
        subject_cn="example.org",
        issuer_cn="Test Trust CA 1",
        issuer_org="Test Trust",
        sans=("example.org",),
        serial_number=f"{issued.certificate.serial_number:x}",
        signature_algorithm="ECDSA-SHA256",
        not_before=NOW - timedelta(days=90),
        not_after=NOW + timedelta(days=60),
        days_remaining=60,
        chain_valid=True,
        hostname_match=True,
        fingerprint=listed.latest.fingerprint,
    )
    assert await world.alerts() == []
    told = {"monitor_id": created.id, "hostname": "example.org", "timestamp": spell_time(NOW)}
    assert await world.told("certificate.check_completed", "certificate.status_changed") == [
        (
            "certificate.check_completed",
            {
                **told,
                "status": "valid",
                "checked_at": spell_time(NOW),
                "subject_cn": "example.org",
                "issuer_cn": "Test Trust CA 1",
                "not_after": spell_time(NOW + timedelta(days=60)),
                "days_remaining": 60,
                "chain_valid": True,
                "hostname_match": True,
            },
        ),
        ("certificate.status_changed", {**told, "previous_status": "unknown", "new_status": "valid", "days_remaining": 60}),
    ]


async def test_tell_lower_thresholds_again(world: World, clock: FakeClock) -> None:
    """One alert from the first threshold to the renewal; each lower threshold is told, the same one is not."""
    monitor = await world.create()
    issued = issue("example.org", days=29.5)
    steps = [(0, "Info", 30), (10, "Info", 30), (6, "Warning", 14), (6, "Critical", 7), (1, "Critical", 7), (4, "Critical", 3)]
    lowest, told = 31, 0
    for days, severity, threshold in steps:
        clock.advance(days=days)
        monitor = await world.look(monitor, present(issued))
        told += threshold < lowest
        lowest = threshold
        [alert] = await world.alerts()
        assert (alert.severity, alert.details["threshold_days"] if alert.details else None) == (severity, threshold)
        assert (monitor.status, monitor.last_alerted_threshold) == (Status.EXPIRING, threshold)
        assert len(await world.told("certificate.alert")) == told
    assert alert.details == {
        "monitor_id": monitor.id,
        "hostname": "example.org",
        "port": 443,
        "days_remaining": 2,
        "threshold_days": 3,
        "not_after": spell_time(NOW + timedelta(days=29.5)),
        "issuer_org": "Test Trust",
        "auto_renewable": False,
        "chain_error": None,
    }
    assert (alert.alert_name, alert.trigger_reason, alert.entity_name) == (
        "Certificate expiring: example.org",
        "The certificate of example.org expires in 2 days, on 2026-06-30.",
        "example.org",
    )
    clock.advance(hours=1)
    monitor = await world.look(monitor, present(days=91))
    [alert] = await world.alerts()
    assert (alert.end_time, monitor.status, monitor.last_alerted_threshold) == (clock.now(), Status.VALID, None)
    assert (await world.told("certificate.recovery"))[0][1] == {
        "monitor_id": monitor.id,
        "hostname": "example.org",
        "port": 443,
        "previous_alert_type": "expiring",
        "new_not_after": spell_time(NOW + timedelta(days=91)),
        "days_remaining": 63,
        "timestamp": spell_time(clock.now()),
    }


async def test_follow_renewal_that_does_not_last(world: World, clock: FakeClock) -> None:
    """A new certificate below the largest threshold eases the alert without telling it; its own thresholds are told."""
    monitor = await world.look(await world.create(), present(days=5))
    assert await world.active() == ["expiring:Critical"]
    fresh = issue("example.org", days=20)
    clock.advance(hours=1)
    monitor = await world.look(monitor, present(fresh))
    assert (await world.active(), len(await world.told("certificate.alert"))) == (["expiring:Info"], 1)
    clock.advance(days=14)
    monitor = await world.look(monitor, present(fresh))
    assert (await world.active(), len(await world.told("certificate.alert"))) == (["expiring:Critical"], 2)


async def test_expire(world: World, clock: FakeClock) -> None:
    """`expired` opens beside `expiring`, which waits for a certificate that lasts; a short one ends `expired` only."""
    issued = issue("example.org", days=0.5)
    monitor = await world.look(await world.create(), present(issued))
    assert (monitor.status, await world.active()) == (Status.EXPIRING, ["expiring:Critical"])
    assert (await world.alerts())[0].trigger_reason == "The certificate of example.org expires within 24 hours, on 2026-06-01."
    clock.advance(days=1)
    monitor = await world.look(monitor, present(issued))
    assert (monitor.status, await world.active()) == (Status.EXPIRED, ["expiring:Critical", "expired:Critical"])
    assert (await world.alerts())[1].trigger_reason == "The certificate of example.org expired on 2026-06-01."
    clock.advance(hours=1)
    monitor = await world.look(monitor, present(days=6))
    assert (monitor.status, await world.active()) == (Status.EXPIRING, ["expiring:Critical"])
    clock.advance(hours=1)
    monitor = await world.look(monitor, present(days=90))
    assert (monitor.status, await world.active(), monitor.conditions) == (Status.VALID, [], ())


async def test_start_with_expired_certificate(world: World) -> None:
    """A certificate that was over before it was first seen is expired, and was never expiring."""
    monitor = await world.look(await world.create(), present(days=-3))
    assert (monitor.status, await world.active()) == (Status.EXPIRED, ["expired:Critical"])


async def test_break_and_mend_chain_and_host(world: World, clock: FakeClock) -> None:
    """Both alerts open and end by themselves."""
    monitor = await world.look(await world.create(port=8443), present(verdict=UNTRUSTED, name="other.org"))
    assert (monitor.status, await world.active()) == (Status.VALID, ["chain_invalid:Critical", "hostname_mismatch:Critical"])
    chain, host = await world.alerts()
    assert [alert.trigger_reason for alert in (chain, host)] == [
        "The certificate chain of example.org:8443 cannot be verified: untrusted root or missing intermediate.",
        "The certificate that example.org:8443 presents is for another host: other.org.",
    ]
    assert (chain.entity_type, chain.entity_id, chain.entity_name) == ("certificate", monitor.id, "example.org:8443")
    clock.advance(hours=1)
    monitor = await world.look(monitor, present(name="other.org"))
    assert await world.active() == ["hostname_mismatch:Critical"]
    clock.advance(hours=1)
    monitor = await world.look(monitor, present())
    assert await world.active() == []
    assert [data["previous_alert_type"] for _, data in await world.told("certificate.recovery")] == ["chain_invalid", "hostname_mismatch"]


async def test_failed_check_changes_no_alert(world: World, clock: FakeClock) -> None:
    """It neither opens nor ends one, says why it failed, and is made again soon."""
    monitor = await world.look(await world.create(), present(days=5))
    clock.advance(hours=1)
    after = await world.look(monitor, Presented(error="connection refused"))
    assert (after.status, after.last_error, after.conditions) == (Status.ERROR, "connection refused", (AlertType.EXPIRING,))
    assert after.next_check_time is not None
    assert after.next_check_time - clock.now() <= timedelta(minutes=10)
    assert await world.active() == ["expiring:Critical"]
    [latest, _] = await world.checks(monitor.id)
    assert latest == Check(id=latest.id, monitor_id=monitor.id, check_time=clock.now(), error_message="connection refused")
    clock.advance(minutes=10)
    after = await world.look(after, present(days=90))
    assert (after.status, after.last_error, await world.active()) == (Status.VALID, None, [])


async def test_take_unreadable_certificate_for_failure(world: World) -> None:
    """What is no certificate is not judged."""
    monitor = await world.look(await world.create(), Presented((b"junk",)))
    assert (monitor.status, monitor.last_error) == (Status.ERROR, "other: the certificate cannot be read")


async def test_open_again_after_person_closed(world: World, clock: FakeClock) -> None:
    """The next check that finds the condition opens another alert, and tells it."""
    monitor = await world.look(await world.create(), present(days=5))
    [alert] = await world.alerts()
    async with world.database.write() as tx:
        await close(tx, CALLER, alert.id, "known", clock.now())
    clock.advance(hours=1)
    await world.look(monitor, present(days=5))
    assert [each.state for each in await world.alerts()] == ["Closed", "Open"]
    assert len(await world.told("certificate.alert")) == 2


async def test_rate_renewing_issuers_lower(world: World) -> None:
    """Ten days are no reason to wake anybody where programs renew."""
    issued = issue("example.org", days=10, issuer=make_intermediate("Let's Encrypt"))
    await world.look(await world.create(), present(issued))
    [alert] = await world.alerts()
    assert (alert.severity, alert.details["auto_renewable"] if alert.details else None) == (Severity.INFO, True)


async def test_drop_result_of_lost_claim(world: World) -> None:
    """Who lost a claim, or whose monitor is gone, records nothing."""
    monitor = await world.create()
    async with world.database.write() as tx:
        stale = [Look(replace(monitor, epoch=9), present(days=5)), Look(replace(monitor, id=999), present(days=5))]
        assert await record_looks(tx, monitor.organization_id, stale, NOW) == []
    assert (await world.checks(monitor.id), await world.alerts()) == ([], [])


async def test_correlate_by_container(world: World) -> None:
    """Alerts of a certificate that hangs on a container are about the container, and about its node unless the monitor has its own."""
    node_id = await world.add_node()
    shop = Entity(EntityType.CONTAINER, 5, "shop")
    monitor = replace(await world.create(), container=shop, inherited_node_id=node_id, alert_channels=("ops",))
    async with world.database.write() as tx:
        await update_monitors(tx, [monitor])
    await world.look(monitor, present(days=5))
    [alert] = await world.alerts()
    assert (alert.subject_type, alert.subject_id, alert.topology_node_id, alert.channel_names) == ("container", 5, node_id, ("ops",))


async def test_record_many_in_few_statements(world: World) -> None:
    """Results of many monitors share one transaction; each has its own alert and events."""
    monitors = [await world.create(f"host-{number}.example") for number in range(20)]
    presented = [present(days=5, name=monitor.hostname) for monitor in monitors]
    async with world.database.write() as tx:
        await record_looks(tx, 7, [Look(*pair) for pair in zip(monitors, presented, strict=True)], NOW)
    assert len(await world.active()) == 20
    checked = [data["hostname"] for kind, data in await world.told("certificate.check_completed")]
    assert checked == [monitor.hostname for monitor in monitors]
    assert kinds(await world.told())[:20] == ["certificate.created"] * 20
