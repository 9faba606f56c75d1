"""Every RPC that writes says what it audits, or why it does not (contract lumetry 18)."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool

from tests.gateway.fake_core import generated_services

SOURCE = Path(__file__).parents[3] / "lumetry_core"

READS = (
    "Check",
    "Count",
    "Download",
    "Explain",
    "Export",
    "Fetch",
    "Follow",
    "Get",
    "List",
    "Preview",
    "Query",
    "Read",
    "Search",
    "Summarize",
    "Tail",
    "Watch",
)
"""First words of RPCs that write nothing."""

AUDITED: Mapping[str, tuple[str, ...]] = {
    "access.AccessService.ChangePassword": ("User.PasswordChanged",),
    "access.AccessService.Login": ("Auth.LoggedIn", "Auth.LoginFailed"),
    "access.AccessService.Logout": ("Auth.LoggedOut",),
    "access.ApiTokenService.CreateApiToken": ("ApiToken.Created",),
    "access.ApiTokenService.RevokeApiToken": ("ApiToken.Revoked",),
    "access.OidcService.CompleteLogin": ("Auth.LoggedIn", "Auth.LoginFailed", "User.IdentityLinked"),
    "access.RoleService.CreateRole": ("Role.Created",),
    "access.RoleService.UpdateRole": ("Role.Updated",),
    "access.SettingsService.UpdateSettings": ("Settings.Updated",),
    "access.UserService.CreateUser": ("User.Created",),
    "access.UserService.DeactivateUser": ("User.Deactivated",),
    "access.UserService.UpdateUser": ("User.Updated", "User.Deactivated"),
    "access.WorkspaceKeyService.CreateWorkspaceKey": ("WorkspaceKey.Created",),
    "access.WorkspaceKeyService.RevokeWorkspaceKey": ("WorkspaceKey.Revoked",),
    "agents.AgentService.CreateAgent": ("Agent.Created",),
    "agents.AgentService.DeleteAgent": ("Agent.Deleted",),
    "agents.AgentService.UpdateAgent": ("Agent.Updated",),
    "alerts.AlertService.AcknowledgeAlert": ("Alert.Acknowledged",),
    "alerts.AlertService.CloseAlert": ("Alert.Closed",),
    "alerts.MaintenanceService.CreateMaintenanceWindow": ("MaintenanceWindow.Created",),
    "alerts.MaintenanceService.DeleteMaintenanceWindow": ("MaintenanceWindow.Deleted",),
    "alerts.MonitoredAlertService.AcknowledgeMonitoredAlert": ("Alert.Acknowledged",),
    "alerts.SilenceRuleService.CancelSilenceRule": ("SilenceRule.Cancelled",),
    "alerts.SilenceRuleService.CreateSilenceRule": ("SilenceRule.Created",),
    "alerts.SilenceService.CreateSilence": ("Silence.Created",),
    "alerts.SilenceService.DeleteSilence": ("Silence.Deleted",),
    "baselines.BaselineProfileService.CreateBaselineProfile": ("BaselineProfile.Created",),
    "baselines.BaselineProfileService.DeleteBaselineProfile": ("BaselineProfile.Deleted",),
    "baselines.BaselineProfileService.RebuildBaselines": ("BaselineProfile.RebuildRequested",),
    "baselines.BaselineProfileService.UpdateBaselineProfile": ("BaselineProfile.Updated",),
    "baselines.ExclusionService.CreateExclusion": ("IncidentWindow.Created", "PublicHoliday.Created"),
    "baselines.ExclusionService.DeleteExclusion": ("IncidentWindow.Deleted", "PublicHoliday.Deleted"),
    "baselines.ExclusionService.ImportPublicHolidays": ("PublicHoliday.Created",),
    "billing.BillingService.ReplaceBudgets": ("Budgets.Updated",),
    "certificates.CertificateService.CreateCertificateMonitor": ("CertificateMonitor.Created",),
    "certificates.CertificateService.DeleteCertificateMonitor": ("CertificateMonitor.Deleted",),
    "certificates.CertificateService.UpdateCertificateMonitor": ("CertificateMonitor.Updated",),
    "collectors.CollectorService.CreateCollector": ("Collector.Created",),
    "collectors.CollectorService.EnrollCollector": ("Collector.Enrolled",),
    "collectors.CollectorService.RenewCollectorEnrollmentToken": ("Collector.EnrollmentTokenRenewed",),
    "collectors.CollectorService.RevokeCollector": ("Collector.Revoked",),
    "collectors.CollectorService.RotateCollectorCredential": ("Collector.CredentialRotated",),
    "collectors.CollectorService.UpdateCollectorConfig": ("Collector.ConfigUpdated",),
    "containers.ContainerService.DeleteContainer": ("Container.Deleted",),
    "endpoints.EndpointService.CreateEndpoint": ("Endpoint.Created",),
    "endpoints.EndpointService.DeleteEndpoint": ("Endpoint.Deleted",),
    "endpoints.EndpointService.UpdateEndpoint": ("Endpoint.Updated",),
    "evaluation.EvaluationService.RetryEvaluationJob": ("EvaluationJob.Retried",),
    "external.ExternalDefinitionService.CreateExternalDefinition": ("ExternalAlertDefinition.Created",),
    "external.ExternalDefinitionService.DeleteExternalDefinition": ("ExternalAlertDefinition.Deleted",),
    "external.ExternalDefinitionService.UpdateExternalDefinition": ("ExternalAlertDefinition.Updated",),
    "external.ExternalSourceService.CreateExternalSource": ("ExternalAlertSource.Created",),
    "external.ExternalSourceService.DeleteExternalSource": ("ExternalAlertSource.Deleted", "ExternalAlertDefinition.Deleted"),
    "external.ExternalSourceService.RotateExternalSourceCredential": ("ExternalAlertSource.CredentialRotated",),
    "external.ExternalSourceService.UpdateExternalSource": ("ExternalAlertSource.Updated",),
    "files.FileService.CreateFile": ("File.Created",),
    "files.FileService.DeleteFile": ("File.Deleted", "File.Purged"),
    "files.FileService.UpdateFile": ("File.Updated",),
    "files.FileService.UploadFile": ("File.Uploaded",),
    "heartbeats.HeartbeatService.CreateHeartbeat": ("Heartbeat.Created",),
    "heartbeats.HeartbeatService.DeleteHeartbeat": ("Heartbeat.Deleted",),
    "heartbeats.HeartbeatService.PauseHeartbeat": ("Heartbeat.Paused",),
    "heartbeats.HeartbeatService.ResumeHeartbeat": ("Heartbeat.Resumed",),
    "heartbeats.HeartbeatService.UpdateHeartbeat": ("Heartbeat.Updated",),
    "hostagents.HostAgentChannelService.EnrollHostAgent": ("Agent.Enrolled",),
    "hostagents.HostAgentService.CreateEnrollmentProfile": ("AgentEnrollmentProfile.Created",),
    "hostagents.HostAgentService.RevokeHostAgent": ("Agent.Revoked",),
    "hostagents.HostAgentService.UpdateHostAgent": ("Agent.Updated",),
    "hostagents.HostInventoryService.CreateAgentTag": ("AgentTag.Created",),
    "hostagents.HostInventoryService.CreateHostCluster": ("TopologyNode.Created",),
    "hostagents.HostInventoryService.SetProcessMonitoring": ("MonitoredProcess.Created", "MonitoredProcess.Deleted"),
    "hostagents.HostInventoryService.UpdateAgentRulePack": ("AgentRulePack.Updated",),
    "incidents.IncidentService.AcknowledgeIncident": ("Incident.Acknowledged",),
    "incidents.IncidentService.ResolveIncident": ("Incident.Resolved",),
    "incidents.ProblemCandidateService.DismissProblemCandidate": ("ProblemCandidate.Dismissed",),
    "logrules.LogAlertRuleService.CreateLogAlertRule": ("LogAlertRule.Created",),
    "logrules.LogAlertRuleService.DeleteLogAlertRule": ("LogAlertRule.Deleted",),
    "logrules.LogAlertRuleService.UpdateLogAlertRule": ("LogAlertRule.Updated",),
    "logs.LogGroupService.IgnoreLogGroup": ("LogGroup.Ignored",),
    "logs.LogGroupService.ReopenLogGroup": ("LogGroup.Reopened",),
    "logs.LogGroupService.ResolveLogGroup": ("LogGroup.Resolved",),
    "logs.LogKeyService.CreateLogKey": ("LogKey.Created",),
    "logs.LogKeyService.RevokeLogKey": ("LogKey.Revoked",),
    "metrics.MetricBindingService.CreateMetricBinding": ("MetricNodeBinding.Created",),
    "metrics.MetricBindingService.DeleteMetricBinding": ("MetricNodeBinding.Deleted",),
    "metrics.MetricDefinitionService.CreateMetricDefinition": ("MetricDefinition.Created", "MetricEntity.Created"),
    "metrics.MetricDefinitionService.DeleteMetricDefinition": (
        "MetricDefinition.Deleted",
        "MetricEntity.Removed",
        "MetricNodeBinding.Deleted",
    ),
    "metrics.MetricDefinitionService.UpdateMetricDefinition": (
        "MetricDefinition.Updated",
        "MetricEntity.Created",
        "MetricEntity.Removed",
    ),
    "metricsources.MetricSourceService.CreateMetricSource": ("MetricSource.Created",),
    "metricsources.MetricSourceService.DeleteMetricSource": ("MetricSource.Deleted",),
    "metricsources.MetricSourceService.TestMetricSource": ("MetricSource.Tested",),
    "metricsources.MetricSourceService.UpdateMetricSource": ("MetricSource.Updated",),
    "notifications.AlertingProfileService.CreateAlertingProfile": ("AlertingProfile.Created", "AlertingProfileIntegration.Created"),
    "notifications.AlertingProfileService.DeleteAlertingProfile": ("AlertingProfile.Deleted", "AlertingProfileIntegration.Removed"),
    "notifications.AlertingProfileService.UpdateAlertingProfile": (
        "AlertingProfile.Updated",
        "AlertingProfileIntegration.Created",
        "AlertingProfileIntegration.Removed",
    ),
    "notifications.ChannelService.AddChannelRule": ("ChannelRule.Created",),
    "notifications.ChannelService.CreateChannel": ("Channel.Created",),
    "notifications.ChannelService.DeleteChannel": ("Channel.Deleted",),
    "notifications.ChannelService.RemoveChannelRule": ("ChannelRule.Deleted",),
    "notifications.ChannelService.TestChannel": ("Channel.Tested",),
    "notifications.ChannelService.UpdateChannel": ("Channel.Updated",),
    "notifications.IntegrationService.CreateIntegration": ("AlertingIntegration.Created",),
    "notifications.IntegrationService.DeleteIntegration": ("AlertingIntegration.Deleted",),
    "notifications.IntegrationService.TestIntegration": ("AlertingIntegration.Tested",),
    "notifications.IntegrationService.UpdateIntegration": ("AlertingIntegration.Updated",),
    "notifications.WebhookService.CreateWebhook": ("Webhook.Created",),
    "notifications.WebhookService.DeleteWebhook": ("Webhook.Deleted",),
    "notifications.WebhookService.TestWebhook": ("Webhook.Tested",),
    "notifications.WebhookService.UpdateWebhook": ("Webhook.Updated",),
    "overview.ProjectResourceService.ReplaceProjectResources": ("Project.ResourcesReplaced",),
    "projects.ProjectService.CreateProject": ("Project.Created",),
    "projects.ProjectService.DeleteProject": ("Project.Deleted",),
    "projects.ProjectService.UpdateProject": ("Project.Updated",),
    "resources.ResourceService.UpdateResourceThresholds": ("ContainerThresholds.Updated",),
    "rules.RuleService.CreateRule": ("Rule.Created", "RuleAlertLevel.Created"),
    "rules.RuleService.UpdateRule": ("Rule.Updated", "RuleAlertLevel.Created", "RuleAlertLevel.Removed", "RuleAlertLevel.Updated"),
    "sessions.SessionService.CreateSession": ("Session.Created",),
    "sessions.SessionService.CreateSessionMessage": ("Session.MessageWritten",),
    "sessions.SessionService.DeleteSession": ("Session.Deleted",),
    "sessions.SessionService.UpdateSession": ("Session.Updated", "Session.Closed"),
    "statuspages.StatusAdminService.CreateStatusComponent": ("StatusComponent.Created",),
    "statuspages.StatusAdminService.CreateStatusGroup": ("StatusGroup.Created",),
    "statuspages.StatusAdminService.DeleteStatusComponent": ("StatusComponent.Deleted",),
    "statuspages.StatusAdminService.DeleteStatusGroup": ("StatusGroup.Deleted",),
    "statuspages.StatusAdminService.UpdateStatusComponent": ("StatusComponent.Updated",),
    "statuspages.StatusAdminService.UpdateStatusGroup": ("StatusGroup.Updated",),
    "topology.TopologyService.CreateTopologyEdge": ("TopologyEdge.Created",),
    "topology.TopologyService.CreateTopologyNode": ("TopologyNode.Created",),
    "topology.TopologyService.DeleteTopologyEdge": ("TopologyEdge.Deleted",),
    "topology.TopologyService.DeleteTopologyNode": ("TopologyNode.Deleted", "TopologyEdge.Deleted"),
    "topology.TopologyService.ImportTopology": ("TopologyImport.Applied",),
    "topology.TopologyService.UpdateTopologyNode": ("TopologyNode.Updated",),
    "updates.UpdateService.CreateUpdateExclusion": ("UpdateExclusion.Created",),
    "updates.UpdateService.DeleteUpdateExclusion": ("UpdateExclusion.Deleted",),
    "updates.UpdateService.PinContainer": ("UpdatePin.Created", "UpdatePin.Updated"),
    "updates.UpdateService.StartScan": ("UpdateScan.Started",),
    "updates.UpdateService.UnpinContainer": ("UpdatePin.Deleted",),
}
"""The actions of each RPC, by area, service and name."""

INGESTED = "what machines observe is not audited"
OWN_INBOX = "what users do with their own notifications concerns nobody else"
EXEMPT: Mapping[str, str] = {
    "access.AccessService.RefreshLogin": "programs renew a login by themselves every few minutes; its end by a used token is audited",
    "access.OidcService.BeginLogin": "nobody has come in yet",
    "collectors.CollectorService.ClaimWork": "machines repeat it",
    "collectors.CollectorService.CompleteWork": "machines repeat it",
    "collectors.CollectorService.SendHeartbeat": "machines repeat it",
    "documentation.DocumentationService.AskDocumentation": "a question changes nothing; a member's is counted",
    "external.ExternalAlertService.ReportExternalEvents": INGESTED,
    "heartbeats.PingService.RecordPings": INGESTED,
    "hostagents.HostAgentChannelService.ReportHostProcesses": "machines repeat it",
    "hostagents.HostAgentChannelService.SendHostAgentHeartbeat": "machines repeat it",
    "inquiries.InquiryService.SendInquiry": "a stranger writes, and the row itself tells when and from where",
    "logs.LogIngestionService.PushLogParts": INGESTED,
    "logs.LogIngestionService.PushLogs": INGESTED,
    "metrics.IngestionService.IngestColumns": INGESTED,
    "metrics.IngestionService.IngestMetrics": INGESTED,
    "metrics.IngestionService.StreamColumns": INGESTED,
    "metrics.IngestionService.StreamMetrics": INGESTED,
    "notices.NoticeService.DeleteNotice": OWN_INBOX,
    "notices.NoticeService.MarkNoticesRead": OWN_INBOX,
    "notices.NoticeService.UpdateNotice": OWN_INBOX,
}
"""The RPCs that write without an audit row, and why that is right."""

FOUND_OUT_AFTERWARDS: Mapping[str, str] = {
    "certificates.CertificateService.CreateCertificateMonitor": "the first check is recorded beside it, as any later one is",
}
"""The RPCs whose second transaction writes only what machines observe: the network is not asked within the first."""

ACTION = re.compile(r"[A-Z][A-Za-z]*\.[A-Z][A-Za-z]*")


def all_rpcs() -> Iterator[str]:
    """Every RPC of the product."""
    for module, service in generated_services():
        package = module.__name__.rpartition(".")[0]
        for method in descriptor_pool.Default().FindServiceByName(f"{package}.{service}").methods:
            yield f"{package.split('.')[1]}.{service}.{method.name}"


def is_read(rpc: str) -> bool:
    """Whether an RPC says by its first word that it writes nothing."""
    return re.match(rf"(?:{'|'.join(READS)})(?=[A-Z])", rpc.rpartition(".")[2]) is not None


def test_every_write_rpc_is_audited_or_exempt() -> None:
    """A new RPC gets an entry in exactly one table; an entry without an RPC goes."""
    assert sorted([*AUDITED, *EXEMPT]) == sorted(rpc for rpc in all_rpcs() if not is_read(rpc))


def test_reads_write_nothing_and_writes_are_one_transaction() -> None:
    """No servicer of a read opens a writing transaction, and none two for a change, which stands or falls with its audit row."""
    opened = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Servicer") and not path.is_relative_to(SOURCE / "runtime"):
                methods = [method for method in node.body if isinstance(method, ast.AsyncFunctionDef) and method.name[0].isupper()]
                service = f"{path.relative_to(SOURCE).parts[0]}.{node.name.removesuffix('Servicer')}Service"
                opened |= {f"{service}.{method.name}": count_writes(method) for method in methods}
    assert {rpc for rpc in AUDITED if rpc not in opened} == set()
    allowed = {rpc: 0 if is_read(rpc) else 2 if rpc in FOUND_OUT_AFTERWARDS else 1 for rpc in opened}
    assert {rpc: count for rpc, count in opened.items() if count > allowed[rpc]} == {}


def count_writes(method: ast.AsyncFunctionDef) -> int:
    """How many writing transactions code opens."""
    calls = [node.func for node in ast.walk(method) if isinstance(node, ast.Call)]
    return sum(isinstance(func, ast.Attribute) and func.attr == "write" for func in calls)


def actions_in(module: ast.Module) -> Iterator[re.Pattern[str]]:
    """What the texts of a module that are actions look like; a part that varies fits any word."""
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"[A-Za-z]+" for part in node.values]
            yield re.compile("".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ACTION.fullmatch(node.value):
            yield re.compile(re.escape(node.value))


@pytest.mark.parametrize("area", sorted({rpc.split(".")[0] for rpc in AUDITED}))
def test_audited_actions_exist(area: str) -> None:
    """Each action of the table is one that a service records."""
    services = [path for path in SOURCE.rglob("*.py") if "service" in path.relative_to(SOURCE).as_posix()]
    known = [pattern for path in services for pattern in actions_in(ast.parse(path.read_text()))]
    named = {action for rpc, actions in AUDITED.items() if rpc.startswith(f"{area}.") for action in actions}
    assert {action for action in named if not any(pattern.fullmatch(action) for pattern in known)} == set()


GIVEN_WITH = {
    "Created": {"after"},
    "Updated": {"before", "after"},
    "Revoked": {"before", "after"},
    "Deleted": {"before"},
    "Removed": {"before"},
}
"""What an action must tell of its entity."""


def given_values(call: ast.Call) -> set[str]:
    """Which of `before` and `after` a call of `record_audit` passes."""
    positional = [name for name, argument in zip(("before", "after"), call.args[6:], strict=False) if not is_none(argument)]
    return {*positional, *(word.arg for word in call.keywords if word.arg and not is_none(word.value))} & {"before", "after"}


def is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def test_audit_rows_tell_before_and_after() -> None:
    """A creation tells what is there now, a change both, a removal what was there."""
    wrong = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "record_audit"):
                continue
            action = node.args[2]
            if isinstance(action, ast.Constant):
                needed = GIVEN_WITH.get(str(action.value).rpartition(".")[2], set())
                if not needed <= given_values(node):
                    wrong.append((path.name, action.value, given_values(node)))
    assert wrong == []
