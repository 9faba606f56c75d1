"""Routes of log alert rules (contract logs 8.4)."""

from gateway.contracts.logs import rules
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.logrules.v1 import log_alert_rule_service_pb2


def rule_rpc(method: str) -> Rpc:
    """An RPC of the service of rules."""
    return find_rpc(log_alert_rule_service_pb2.DESCRIPTOR, "LogAlertRuleService", method)


GET = rule_rpc("GetLogAlertRule")

ROUTES = (
    Route(
        method="GET",
        path="/v1/log-alert-rules",
        heading="List rules",
        rpc=rule_rpc("ListLogAlertRules"),
        decode=rules.decode_list,
        encode=rules.encode_list,
        answer=rules.Rules,
    ),
    Route(
        method="POST",
        path="/v1/log-alert-rules",
        heading="Make a rule",
        rpc=rules.CREATE,
        handle=rules.answer_create,
        status=201,
        body=rules.RuleBody,
        body_limit=rules.MAX_BODY_BYTES,
        gzip=True,
        answer=rules.Rule,
    ),
    Route(
        method="GET",
        path="/v1/log-alert-rules/{id:int}",
        heading="Rule",
        rpc=GET,
        decode=rules.decode_get,
        encode=rules.encode_get,
        answer=rules.RuleDetail,
    ),
    Route(
        method="PUT",
        path="/v1/log-alert-rules/{id:int}",
        heading="Change a rule",
        rpc=rules.UPDATE,
        handle=rules.answer_update,
        body=rules.RuleBody,
        body_limit=rules.MAX_BODY_BYTES,
        gzip=True,
        answer=rules.Rule,
        existence=(GET, rules.decode_get),
    ),
    Route(
        method="DELETE",
        path="/v1/log-alert-rules/{id:int}",
        heading="Remove a rule",
        rpc=rule_rpc("DeleteLogAlertRule"),
        decode=rules.decode_delete,
        encode=rules.encode_delete,
        status=204,
    ),
)
