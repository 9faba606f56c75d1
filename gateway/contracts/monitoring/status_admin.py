"""Groups and components of the status page (contract monitoring 14.1)."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

import msgspec

from gateway.contracts.monitoring.values import Time, value_or_none
from gateway.transcode.bodies import parse_json
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Fault
from gateway.transcode.request import LARGEST_INTEGER, Request
from gateway.transcode.times import format_time
from lumetry.statuspages.v1 import status_admin_service_pb2 as pb
from lumetry.statuspages.v1 import status_component_pb2 as component_pb

LIST_GROUPS, CREATE_GROUP, UPDATE_GROUP, DELETE_GROUP, LIST_COMPONENTS, CREATE_COMPONENT, UPDATE_COMPONENT, DELETE_COMPONENT = (
    find_rpc(pb.DESCRIPTOR, "StatusAdminService", name)
    for name in (
        "ListStatusGroups",
        "CreateStatusGroup",
        "UpdateStatusGroup",
        "DeleteStatusGroup",
        "ListStatusComponents",
        "CreateStatusComponent",
        "UpdateStatusComponent",
        "DeleteStatusComponent",
    )
)
MAX_NAME_LENGTH = 100
LARGEST_ORDER = 2**31 - 1

MonitorType = Literal["container", "endpoint", "heartbeat", "certificate"]
StatusWord = Literal["operational", "degraded", "partial_outage", "major_outage", "under_maintenance"]
Order = Annotated[int, msgspec.Meta(ge=-LARGEST_ORDER, le=LARGEST_ORDER)]
Id = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INTEGER)]

KIND_NUMBERS: Mapping[MonitorType, component_pb.MonitorKind.ValueType] = {
    word: component_pb.MonitorKind.Value(f"MONITOR_KIND_{word.upper()}") for word in get_args(MonitorType)
}
KIND_WORDS = {number: word for word, number in KIND_NUMBERS.items()}
STATUS_NUMBERS: Mapping[str, component_pb.ComponentStatus.ValueType] = {
    "": component_pb.COMPONENT_STATUS_UNSPECIFIED,
    **{word: component_pb.ComponentStatus.Value(f"COMPONENT_STATUS_{word.upper()}") for word in get_args(StatusWord)},
}
STATUS_WORDS: Mapping[int, StatusWord] = {STATUS_NUMBERS[word]: word for word in get_args(StatusWord)}


class Group(msgspec.Struct):
    """A heading of the page."""

    id: int
    name: str
    display_order: int
    component_count: int
    created_at: Time


class NewGroup(msgspec.Struct):
    """A heading to be made."""

    name: str
    display_order: Order = 0


class GroupChange(msgspec.Struct):
    """What is to change of a heading; what is absent stays."""

    name: str | None = None
    display_order: Order | None = None


class Component(msgspec.Struct):
    """A monitor as the page shows it. `monitor_name` never leaves the administration."""

    id: int
    monitor_type: MonitorType
    monitor_id: int
    monitor_name: str | None
    display_name: str
    group_id: int | None
    group_name: str | None
    display_order: int
    visible: bool
    derived_status: StatusWord
    status_override: StatusWord | None
    effective_status: StatusWord
    auto_incident: bool
    created_at: Time
    updated_at: Time


class NewComponent(msgspec.Struct):
    """A monitor to be shown."""

    monitor_type: MonitorType
    monitor_id: Id
    display_name: str
    group_id: Id | None = None
    display_order: Order = 0
    visible: bool = True
    status_override: str | None = None
    auto_incident: bool = False


class ComponentChange(msgspec.Struct):
    """What is to change of a component; what is absent stays. `group_id` null ungroups, `status_override` null or empty clears."""

    display_name: str | None = None
    group_id: Id | None = None
    display_order: Order | None = None
    visible: bool | None = None
    status_override: str | None = None
    auto_incident: bool | None = None


def decode_list_groups(_request: Request) -> pb.ListStatusGroupsRequest:
    """14.1 `GET /api/v1/status/groups`."""
    return pb.ListStatusGroupsRequest()


def decode_create_group(request: Request) -> pb.CreateStatusGroupRequest:
    """14.1 `POST /api/v1/status/groups`."""

    def check(body: NewGroup, faults: list[Fault]) -> None:
        check_name(body.name, "name", faults)

    group = request.body(NewGroup, check=check)
    return pb.CreateStatusGroupRequest(name=group.name, display_order=group.display_order)


def decode_update_group(request: Request) -> pb.UpdateStatusGroupRequest:
    """14.1 `PUT /api/v1/status/groups/{id}`."""

    def check(body: GroupChange, faults: list[Fault]) -> None:
        check_name(body.name, "name", faults)

    number = request.number("id")
    change = request.body(GroupChange, check=check)
    return pb.UpdateStatusGroupRequest(id=number, name=change.name, display_order=change.display_order)


def decode_delete_group(request: Request) -> pb.DeleteStatusGroupRequest:
    """14.1 `DELETE /api/v1/status/groups/{id}`."""
    return pb.DeleteStatusGroupRequest(id=request.number("id"))


def decode_list_components(_request: Request) -> pb.ListStatusComponentsRequest:
    """14.1 `GET /api/v1/status/components`."""
    return pb.ListStatusComponentsRequest()


def decode_create_component(request: Request) -> pb.CreateStatusComponentRequest:
    """14.1 `POST /api/v1/status/components`."""

    def check(body: NewComponent, faults: list[Fault]) -> None:
        check_name(body.display_name, "display_name", faults)
        check_override(body.status_override, faults)

    component = request.body(NewComponent, check=check)
    return pb.CreateStatusComponentRequest(
        monitor_kind=KIND_NUMBERS[component.monitor_type],
        monitor_id=component.monitor_id,
        display_name=component.display_name,
        group_id=component.group_id,
        display_order=component.display_order,
        visible=component.visible,
        status_override=STATUS_NUMBERS[component.status_override or ""],
        auto_incident=component.auto_incident,
    )


def decode_update_component(request: Request) -> pb.UpdateStatusComponentRequest:
    """14.1 `PUT /api/v1/status/components/{id}`."""

    def check(body: ComponentChange, faults: list[Fault]) -> None:
        check_name(body.display_name, "display_name", faults)
        check_override(body.status_override, faults)

    number = request.number("id")
    change = request.body(ComponentChange, check=check)
    given = parse_json(request.content)
    return pb.UpdateStatusComponentRequest(
        id=number,
        display_name=change.display_name,
        group_id=change.group_id or (0 if "group_id" in given else None),
        display_order=change.display_order,
        visible=change.visible,
        status_override=STATUS_NUMBERS[change.status_override or ""] if "status_override" in given else None,
        auto_incident=change.auto_incident,
    )


def decode_delete_component(request: Request) -> pb.DeleteStatusComponentRequest:
    """14.1 `DELETE /api/v1/status/components/{id}`."""
    return pb.DeleteStatusComponentRequest(id=request.number("id"))


def check_name(name: str | None, field: str, faults: list[Fault]) -> None:
    """Notes a name that is given and has no or too many characters."""
    if name is not None and not 0 < len(name.strip()) <= MAX_NAME_LENGTH:
        faults.append(Fault(field, f"must have 1 to {MAX_NAME_LENGTH} characters"))


def check_override(word: str | None, faults: list[Fault]) -> None:
    """Notes a word that is no status."""
    if word and word not in STATUS_NUMBERS:
        faults.append(Fault("status_override", f"must be one of {', '.join(get_args(StatusWord))}, or empty for none"))


def encode_groups(reply: pb.ListStatusGroupsResponse, _asked: object) -> list[Group]:
    """All groups."""
    return [encode_group(group) for group in reply.groups]


def encode_one_group(reply: pb.CreateStatusGroupResponse | pb.UpdateStatusGroupResponse, _asked: object) -> Group:
    """The group that was made or changed."""
    return encode_group(reply.group)


def encode_group(group: component_pb.StatusGroup) -> Group:
    """A group."""
    return Group(group.id, group.name, group.display_order, group.component_count, format_time(group.create_time))


def encode_components(reply: pb.ListStatusComponentsResponse, _asked: object) -> list[Component]:
    """All components."""
    return [encode_component(component) for component in reply.components]


def encode_one_component(reply: pb.CreateStatusComponentResponse | pb.UpdateStatusComponentResponse, _asked: object) -> Component:
    """The component that was made or changed."""
    return encode_component(reply.component)


def encode_component(component: component_pb.StatusComponent) -> Component:
    """A component."""
    return Component(
        id=component.id,
        monitor_type=KIND_WORDS[component.monitor_kind],
        monitor_id=component.monitor_id,
        monitor_name=component.monitor_name or None,
        display_name=component.display_name,
        group_id=value_or_none(component, "group_id"),
        group_name=component.group_name or None,
        display_order=component.display_order,
        visible=component.visible,
        derived_status=STATUS_WORDS[component.derived_status],
        status_override=STATUS_WORDS.get(component.status_override),
        effective_status=STATUS_WORDS[component.effective_status],
        auto_incident=component.auto_incident,
        created_at=format_time(component.create_time),
        updated_at=format_time(component.update_time),
    )


def encode_nothing(_reply: object, _asked: object) -> None:
    """An answer without body."""
