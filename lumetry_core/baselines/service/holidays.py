"""Taking over the public holidays of a country."""

from datetime import datetime

from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.baselines.calendars import Calendar
from lumetry_core.baselines.model import Exclusion, ExclusionKind, touches_learned_time
from lumetry_core.baselines.service.exclusions import add_exclusion, exclusions_of
from lumetry_core.baselines.service.profiles import default_profile
from lumetry_core.baselines.service.rebuilds import request_rebuild
from lumetry_core.baselines.time_zones import day_period, find_zone
from lumetry_core.baselines.validation import MAX_REASON
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction


async def import_public_holidays(tx: Transaction, caller: Caller, calendar: Calendar, now: datetime) -> list[Exclusion]:
    """Adds days of a calendar for all metrics, from midnight to midnight in its time zone or that of the default profile.

    Holidays whose period is there already are left out, so that repeating an import adds nothing.

    Returns:
        What was added, ascending by time; the system counts as its author.
    """
    organization_id = caller.organization_id
    await raise_evaluation_version(tx, organization_id)
    zone = find_zone(calendar.time_zone or (await default_profile(tx, organization_id)).time_zone)
    known = {
        (each.start_time, each.end_time)
        for each in await exclusions_of(tx, organization_id)
        if each.kind is ExclusionKind.PUBLIC_HOLIDAY and each.metric_key is None
    }
    added = []
    for day, name in calendar.days:
        start_time, end_time = day_period(day, zone)
        if (start_time, end_time) in known or start_time == end_time:
            continue
        holiday = Exclusion(
            id=0,
            organization_id=organization_id,
            kind=ExclusionKind.PUBLIC_HOLIDAY,
            metric_key=None,
            start_time=start_time,
            end_time=end_time,
            reason=name[:MAX_REASON],
            created_by=caller.user_id,
            create_time=now,
        )
        added.append(await add_exclusion(tx, caller, holiday, now))
    begun = [holiday for holiday in added if touches_learned_time(holiday, now)]
    if begun:
        # One request for all of them: learning again reads every point once, however many days are left out.
        await request_rebuild(
            tx,
            organization_id,
            profile_id=None,
            metric_id=None,
            start_time=begun[0].start_time,
            end_time=begun[-1].end_time,
            include_violations=False,
            now=now,
        )
    return added
