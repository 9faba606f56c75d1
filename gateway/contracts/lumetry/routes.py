"""Every route of the family that exists, in the order of its document (contract lumetry 21)."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.contracts.lumetry import (
    access,
    alerts,
    documentation,
    evaluation_jobs,
    incidents,
    ingestion,
    metrics,
    operations,
    points,
    rules,
    stream,
    system_alerts,
    violations,
)
from gateway.contracts.lumetry.access_routes import ACCESS_ROUTES
from gateway.contracts.lumetry.alerting_routes import ALERTING_ROUTES
from gateway.contracts.lumetry.audit_routes import AUDIT_ROUTES
from gateway.contracts.lumetry.baseline_routes import BASELINE_ROUTES
from gateway.contracts.lumetry.collector_routes import COLLECTOR_ROUTES
from gateway.contracts.lumetry.collector_work_routes import COLLECTOR_WORK_ROUTES
from gateway.contracts.lumetry.deliveries_routes import DELIVERIES_ROUTES
from gateway.contracts.lumetry.external_routes import EXTERNAL_ROUTES
from gateway.contracts.lumetry.fleet_routes import FLEET_ROUTES
from gateway.contracts.lumetry.host_agents_routes import HOST_AGENT_ROUTES
from gateway.contracts.lumetry.host_inventory_routes import HOST_INVENTORY_ROUTES
from gateway.contracts.lumetry.incident_routes import INCIDENT_ROUTES
from gateway.contracts.lumetry.installation import INSTALLATION_ROUTES
from gateway.contracts.lumetry.maintenance_routes import MAINTENANCE_ROUTES
from gateway.contracts.lumetry.metric_definition_routes import METRIC_DEFINITION_ROUTES
from gateway.contracts.lumetry.metric_source_routes import METRIC_SOURCE_ROUTES
from gateway.contracts.lumetry.oidc_routes import OIDC_ROUTES
from gateway.contracts.lumetry.preview_routes import PREVIEW_ROUTES
from gateway.contracts.lumetry.settings_routes import SETTINGS_ROUTES
from gateway.contracts.lumetry.topology_routes import TOPOLOGY_ROUTES
from gateway.contracts.lumetry.values import Page
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.lanes import INGEST_COLUMNS
from gateway.transcode.routes import Route
from lumetry.access.v1 import access_service_pb2
from lumetry.alerts.v1 import alert_service_pb2
from lumetry.evaluation.v1 import evaluation_service_pb2
from lumetry.incidents.v1 import incident_service_pb2
from lumetry.metrics.v1 import metric_service_pb2
from lumetry.rules.v1 import rule_service_pb2
from lumetry.violations.v1 import violation_service_pb2


def access_rpc(method: str) -> Rpc:
    """An RPC of the access service."""
    return find_rpc(access_service_pb2.DESCRIPTOR, "AccessService", method)


def metric_rpc(method: str) -> Rpc:
    """An RPC of the metric service."""
    return find_rpc(metric_service_pb2.DESCRIPTOR, "MetricService", method)


def rule_rpc(method: str) -> Rpc:
    """An RPC of the rule service."""
    return find_rpc(rule_service_pb2.DESCRIPTOR, "RuleService", method)


def alert_rpc(method: str) -> Rpc:
    """An RPC of the alert service."""
    return find_rpc(alert_service_pb2.DESCRIPTOR, "AlertService", method)


def incident_rpc(method: str) -> Rpc:
    """An RPC of the incident service."""
    return find_rpc(incident_service_pb2.DESCRIPTOR, "IncidentService", method)


def job_rpc(method: str) -> Rpc:
    """An RPC of the evaluation service."""
    return find_rpc(evaluation_service_pb2.DESCRIPTOR, "EvaluationService", method)


RULE = (rule_rpc("GetRule"), rules.decode_get_rule)
ALERT = (alert_rpc("GetAlert"), alerts.decode_get_alert)
INCIDENT = (incident_rpc("GetIncident"), incidents.decode_get_incident)

OPERATIONS = (
    Route(method="GET", path="/healthz", heading="Health", handle=operations.answer_health, answer=operations.Health),
    Route(
        method="GET",
        path="/readyz",
        heading="Readiness",
        rpc=operations.GET_READINESS,
        handle=operations.answer_readiness,
        answer=operations.Health,
    ),
    Route(
        method="GET",
        path="/metrics",
        heading="Own figures",
        rpc=operations.READ_METRICS,
        handle=operations.answer_metrics,
        media_type="text/plain",
    ),
    *operations.DOCUMENTATION,
    *documentation.ROUTES,
)

ACCESS = (
    Route(
        method="POST",
        path="/api/auth/login",
        heading="Login",
        rpc=access_rpc("Login"),
        body=access.LoginBody,
        decode=access.decode_login,
        encode=access.encode_login,
        answer=access.Tokens,
    ),
    Route(
        method="POST",
        path="/api/auth/refresh",
        heading="Refresh",
        rpc=access_rpc("RefreshLogin"),
        body=access.RefreshBody,
        decode=access.decode_refresh,
        encode=access.encode_login,
        answer=access.Tokens,
    ),
    Route(
        method="POST",
        path="/api/auth/logout",
        heading="Logout",
        rpc=access_rpc("Logout"),
        body=access.LogoutBody,
        body_optional=True,
        decode=access.decode_logout,
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="GET",
        path="/api/auth/me",
        heading="Who am I",
        rpc=access_rpc("GetMe"),
        decode=access.decode_me,
        encode=access.encode_me,
        answer=access.Me,
    ),
)

METRICS = (
    Route(
        method="POST",
        path="/v1/metrics",
        heading="Ingest a batch",
        rpc=INGEST_COLUMNS,
        handle=ingestion.ingest_batch,
        status=202,
        body=points.BatchBody,
        body_limit=ingestion.BATCH_LIMIT,
        gzip=True,
        answer=ingestion.Accepted,
    ),
    Route(
        method="POST",
        path="/api/metric-ingestion",
        heading="Ingest one point",
        rpc=INGEST_COLUMNS,
        handle=ingestion.ingest_point,
        status=202,
        body=ingestion.SinglePointBody,
        answer=ingestion.Receipt,
    ),
    Route(
        method="GET",
        path="/api/metrics",
        heading="Catalog",
        rpc=metric_rpc("ListMetrics"),
        query=metrics.MetricFilters,
        decode=metrics.decode_list_metrics,
        encode=metrics.encode_list_metrics,
        answer=Page[metrics.MetricItem],
    ),
    Route(
        method="GET",
        path="/api/metrics/{id:key}/series",
        heading="Stored points",
        rpc=metric_rpc("QuerySeries"),
        query=metrics.SeriesFilters,
        decode=metrics.decode_query_series,
        encode=metrics.encode_query_series,
        answer=list[metrics.SeriesPoint],
        deadline_seconds=30.0,
    ),
    Route(
        method="GET",
        path="/api/system-alerts",
        heading="System alerts",
        rpc=alert_rpc("ListSystemAlerts"),
        query=system_alerts.SystemAlertFilters,
        decode=system_alerts.decode_list_system_alerts,
        encode=system_alerts.encode_list_system_alerts,
        answer=list[system_alerts.SystemAlert],
    ),
)

RULES = (
    Route(
        method="GET",
        path="/api/rules",
        heading="List rules",
        rpc=rule_rpc("ListRules"),
        query=rules.RuleFilters,
        decode=rules.decode_list_rules,
        encode=rules.encode_list_rules,
        answer=Page[rules.RuleItem],
    ),
    Route(
        method="GET",
        path="/api/rules/summary",
        heading="Count rules",
        rpc=rule_rpc("SummarizeRules"),
        decode=rules.decode_summarize_rules,
        encode=rules.encode_summarize_rules,
        answer=rules.RuleSummary,
    ),
    Route(
        method="GET",
        path="/api/rules/{id:int}",
        heading="Read a rule",
        rpc=rule_rpc("GetRule"),
        decode=rules.decode_get_rule,
        encode=rules.encode_rule_reply,
        answer=rules.Rule,
    ),
    Route(
        method="POST",
        path="/api/rules",
        heading="Create a rule",
        rpc=rule_rpc("CreateRule"),
        body=rules.RuleBody,
        decode=rules.decode_create_rule,
        encode=rules.encode_rule_reply,
        status=201,
        answer=rules.Rule,
    ),
    Route(
        method="PUT",
        path="/api/rules/{id:int}",
        heading="Replace a rule",
        rpc=rule_rpc("UpdateRule"),
        body=rules.RuleBody,
        decode=rules.decode_update_rule,
        encode=rules.encode_rule_reply,
        answer=rules.Rule,
        existence=RULE,
    ),
)

ALERTS = (
    Route(
        method="GET",
        path="/api/alerts",
        heading="List alerts",
        rpc=alert_rpc("ListAlerts"),
        query=alerts.AlertFilters,
        decode=alerts.decode_list_alerts,
        encode=alerts.encode_list_alerts,
        answer=list[alerts.Alert],
    ),
    Route(
        method="GET",
        path="/api/alerts/{id:int}",
        heading="Read an alert",
        rpc=alert_rpc("GetAlert"),
        decode=alerts.decode_get_alert,
        encode=alerts.encode_alert_reply,
        answer=alerts.Alert,
    ),
    Route(
        method="GET",
        path="/api/alerts/{id:int}/violations",
        heading="Violations of an alert",
        rpc=alert_rpc("ListAlertViolations"),
        query=violations.ChildFilters,
        decode=alerts.decode_list_alert_violations,
        encode=violations.encode_list_violations,
        answer=list[violations.Violation],
        existence=ALERT,
    ),
    Route(
        method="GET",
        path="/api/alerts/{id:int}/decisions",
        heading="Why was I (not) paged",
        rpc=alert_rpc("ExplainAlert"),
        query=alerts.DecisionFilters,
        decode=alerts.decode_explain_alert,
        encode=alerts.encode_explain_alert,
        answer=alerts.Decisions,
        existence=ALERT,
    ),
    Route(
        method="POST",
        path="/api/alerts/{id:int}/acknowledge",
        heading="Acknowledge an alert",
        rpc=alert_rpc("AcknowledgeAlert"),
        body=alerts.NoteBody,
        body_optional=True,
        decode=alerts.decode_acknowledge_alert,
        encode=alerts.encode_alert_reply,
        answer=alerts.Alert,
        existence=ALERT,
    ),
    Route(
        method="POST",
        path="/api/alerts/{id:int}/close",
        heading="Close an alert",
        rpc=alert_rpc("CloseAlert"),
        body=alerts.NoteBody,
        body_optional=True,
        decode=alerts.decode_close_alert,
        encode=alerts.encode_alert_reply,
        answer=alerts.Alert,
        existence=ALERT,
    ),
)
EVENTS = tuple(replace(route, path=route.path.replace("/api/alerts", "/api/events")) for route in ALERTS)

VIOLATIONS = (
    Route(
        method="GET",
        path="/api/violations",
        heading="List violations",
        rpc=find_rpc(violation_service_pb2.DESCRIPTOR, "ViolationService", "ListViolations"),
        query=violations.ViolationFilters,
        decode=violations.decode_list_violations,
        encode=violations.encode_list_violations,
        answer=list[violations.Violation],
    ),
)

INCIDENTS = (
    Route(
        method="GET",
        path="/api/incidents",
        heading="List incidents",
        rpc=incident_rpc("ListIncidents"),
        query=incidents.IncidentFilters,
        decode=incidents.decode_list_incidents,
        encode=incidents.encode_list_incidents,
        answer=list[incidents.Incident],
    ),
    Route(
        method="GET",
        path="/api/incidents/{id:int}",
        heading="Read an incident",
        rpc=incident_rpc("GetIncident"),
        decode=incidents.decode_get_incident,
        encode=incidents.encode_incident_reply,
        answer=incidents.Incident,
    ),
    Route(
        method="GET",
        path="/api/incidents/{id:int}/alerts",
        heading="Alerts of an incident",
        rpc=incident_rpc("ListIncidentAlerts"),
        query=violations.ChildFilters,
        decode=incidents.decode_list_incident_alerts,
        encode=alerts.encode_list_alerts,
        answer=list[alerts.Alert],
        existence=INCIDENT,
    ),
    Route(
        method="GET",
        path="/api/incidents/{id:int}/violations",
        heading="Violations of an incident",
        rpc=incident_rpc("ListIncidentViolations"),
        query=violations.ChildFilters,
        decode=incidents.decode_list_incident_violations,
        encode=violations.encode_list_violations,
        answer=list[violations.Violation],
        existence=INCIDENT,
    ),
    Route(
        method="GET",
        path="/api/incidents/{id:int}/metrics",
        heading="Metrics of an incident",
        rpc=incident_rpc("ListIncidentMetrics"),
        decode=incidents.decode_list_incident_metrics,
        encode=incidents.encode_list_incident_metrics,
        answer=list[incidents.IncidentMetric],
    ),
    Route(
        method="GET",
        path="/api/incidents/{id:int}/timeline",
        heading="Timeline of an incident",
        rpc=incident_rpc("ListIncidentTimeline"),
        query=violations.ChildFilters,
        decode=incidents.decode_list_incident_timeline,
        encode=incidents.encode_list_incident_timeline,
        answer=list[incidents.TimelineEntry],
        existence=INCIDENT,
    ),
    Route(
        method="POST",
        path="/api/incidents/{id:int}/acknowledge",
        heading="Acknowledge an incident",
        rpc=incident_rpc("AcknowledgeIncident"),
        body=alerts.NoteBody,
        body_optional=True,
        decode=incidents.decode_acknowledge_incident,
        encode=incidents.encode_incident_reply,
        answer=incidents.Incident,
        existence=INCIDENT,
    ),
    Route(
        method="POST",
        path="/api/incidents/{id:int}/resolve",
        heading="Resolve an incident",
        rpc=incident_rpc("ResolveIncident"),
        body=incidents.ResolveBody,
        decode=incidents.decode_resolve_incident,
        encode=incidents.encode_incident_reply,
        answer=incidents.Incident,
        existence=INCIDENT,
    ),
)

EVALUATION_JOBS = (
    Route(
        method="GET",
        path="/api/evaluation-jobs/summary",
        heading="Count evaluation jobs",
        rpc=job_rpc("SummarizeEvaluationJobs"),
        decode=evaluation_jobs.decode_summarize,
        encode=evaluation_jobs.encode_summarize,
        answer=evaluation_jobs.JobSummary,
    ),
    Route(
        method="GET",
        path="/api/evaluation-jobs/failed",
        heading="Failed evaluation jobs",
        rpc=job_rpc("ListFailedEvaluationJobs"),
        query=evaluation_jobs.FailedFilters,
        decode=evaluation_jobs.decode_list_failed,
        encode=evaluation_jobs.encode_list_failed,
        answer=list[evaluation_jobs.FailedJob],
    ),
    Route(
        method="GET",
        path="/api/evaluation-jobs/{id:int}",
        heading="Read an evaluation job",
        rpc=job_rpc("GetEvaluationJob"),
        decode=evaluation_jobs.decode_get,
        encode=evaluation_jobs.encode_job_reply,
        answer=evaluation_jobs.Job,
    ),
    Route(
        method="POST",
        path="/api/evaluation-jobs/{id:int}/retry",
        heading="Try a failed job again",
        rpc=job_rpc("RetryEvaluationJob"),
        decode=evaluation_jobs.decode_retry,
        encode=evaluation_jobs.encode_job_reply,
        status=202,
        answer=evaluation_jobs.Job,
    ),
)

STREAM = (
    Route(
        method="GET",
        path="/api/stream",
        heading="Live feed",
        rpc=stream.WATCH_EVENTS,
        query=stream.StreamFilters,
        handle=stream.stream_events,
        media_type="text/event-stream",
    ),
)

ROUTES: Sequence[Route] = (
    *OPERATIONS,
    *ACCESS,
    *OIDC_ROUTES,
    *ACCESS_ROUTES,
    *METRICS,
    *FLEET_ROUTES,
    *METRIC_DEFINITION_ROUTES,
    *METRIC_SOURCE_ROUTES,
    *RULES,
    *PREVIEW_ROUTES,
    *BASELINE_ROUTES,
    *ALERTS,
    *EVENTS,
    *VIOLATIONS,
    *INCIDENTS,
    *INCIDENT_ROUTES,
    *MAINTENANCE_ROUTES,
    *EXTERNAL_ROUTES,
    *TOPOLOGY_ROUTES,
    *ALERTING_ROUTES,
    *DELIVERIES_ROUTES,
    *EVALUATION_JOBS,
    *COLLECTOR_ROUTES,
    *COLLECTOR_WORK_ROUTES,
    *HOST_AGENT_ROUTES,
    *HOST_INVENTORY_ROUTES,
    *INSTALLATION_ROUTES,
    *STREAM,
    *AUDIT_ROUTES,
    *SETTINGS_ROUTES,
)
