"""The services of the core's server: every servicer with what it needs, by the full name of its service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import SystemRandom
from typing import Any

from google.protobuf.message import Message

from lumetry.access.v1 import (
    access_service_pb2_grpc,
    api_token_service_pb2_grpc,
    audit_service_pb2_grpc,
    oidc_service_pb2_grpc,
    role_service_pb2_grpc,
    settings_service_pb2_grpc,
    user_service_pb2_grpc,
    workspace_key_service_pb2_grpc,
)
from lumetry.activity.v1 import activity_service_pb2_grpc
from lumetry.agents.v1 import agent_service_pb2_grpc
from lumetry.alerts.v1 import (
    alert_service_pb2_grpc,
    impact_service_pb2_grpc,
    maintenance_service_pb2_grpc,
    monitored_alert_service_pb2_grpc,
    silence_rule_service_pb2_grpc,
    silence_service_pb2_grpc,
)
from lumetry.baselines.v1 import baseline_profile_service_pb2_grpc, exclusion_service_pb2_grpc
from lumetry.billing.v1 import billing_service_pb2_grpc
from lumetry.certificates.v1 import certificate_service_pb2_grpc
from lumetry.collectors.v1 import collector_service_pb2_grpc
from lumetry.connections.v1 import connection_service_pb2_grpc
from lumetry.containers.v1 import container_log_service_pb2_grpc, container_service_pb2_grpc, runtime_service_pb2_grpc
from lumetry.documentation.v1 import documentation_service_pb2_grpc
from lumetry.endpoints.v1 import endpoint_service_pb2_grpc
from lumetry.evaluation.v1 import evaluation_service_pb2_grpc, fleet_service_pb2_grpc
from lumetry.external.v1 import (
    external_alert_service_pb2_grpc,
    external_definition_service_pb2_grpc,
    external_source_service_pb2_grpc,
)
from lumetry.feed.v1 import feed_service_pb2_grpc
from lumetry.files.v1 import file_service_pb2_grpc
from lumetry.heartbeats.v1 import heartbeat_service_pb2_grpc, ping_service_pb2_grpc
from lumetry.hostagents.v1 import host_agent_channel_service_pb2_grpc, host_agent_service_pb2_grpc, host_inventory_service_pb2_grpc
from lumetry.incidents.v1 import event_service_pb2_grpc, incident_service_pb2_grpc, problem_candidate_service_pb2_grpc
from lumetry.inquiries.v1 import inquiry_service_pb2_grpc
from lumetry.logrules.v1 import log_alert_rule_service_pb2_grpc
from lumetry.logs.v1 import (
    log_group_service_pb2_grpc,
    log_ingestion_service_pb2_grpc,
    log_key_service_pb2_grpc,
    log_service_pb2_grpc,
    log_tail_service_pb2_grpc,
    log_usage_service_pb2_grpc,
)
from lumetry.metrics.v1 import (
    ingestion_service_pb2_grpc,
    metric_binding_service_pb2_grpc,
    metric_definition_service_pb2_grpc,
    metric_service_pb2_grpc,
)
from lumetry.metricsources.v1 import metric_source_service_pb2_grpc
from lumetry.notices.v1 import notice_service_pb2_grpc
from lumetry.notifications.v1 import (
    channel_service_pb2_grpc,
    delivery_service_pb2_grpc,
    integration_service_pb2_grpc,
    profile_service_pb2_grpc,
    webhook_service_pb2_grpc,
)
from lumetry.overview.v1 import project_resource_service_pb2_grpc, snapshot_service_pb2_grpc
from lumetry.projects.v1 import project_service_pb2_grpc
from lumetry.replay.v1 import replay_service_pb2_grpc
from lumetry.resources.v1 import resource_service_pb2_grpc
from lumetry.rules.v1 import rule_service_pb2_grpc
from lumetry.runtime.v1 import status_service_pb2_grpc
from lumetry.sessions.v1 import session_service_pb2_grpc
from lumetry.statuspages.v1 import status_admin_service_pb2_grpc, status_page_service_pb2_grpc
from lumetry.topology.v1 import topology_service_pb2_grpc
from lumetry.updates.v1 import update_service_pb2_grpc
from lumetry.violations.v1 import violation_service_pb2_grpc
from lumetry_core.access.rates import INQUIRIES, OFF, QUESTIONS_OF_MEMBERS, QUESTIONS_OF_STRANGERS
from lumetry_core.access.rpc.access import AccessServicer
from lumetry_core.access.rpc.api_tokens import ApiTokenServicer
from lumetry_core.access.rpc.audit import AuditServicer
from lumetry_core.access.rpc.oidc import OidcServicer
from lumetry_core.access.rpc.roles import RoleServicer
from lumetry_core.access.rpc.settings import SettingsServicer
from lumetry_core.access.rpc.users import UserServicer
from lumetry_core.access.rpc.workspace_keys import WorkspaceKeyServicer
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.oidc import OidcDesk
from lumetry_core.access.service.rates import AddressLimiter
from lumetry_core.activity.rpc import ActivityServicer
from lumetry_core.agents.rpc import AgentServicer
from lumetry_core.agents.service.imaging import show_host_agent
from lumetry_core.alerts.rpc.alerts import AlertServicer, encode_alert, encode_system_alert
from lumetry_core.alerts.rpc.impact import ImpactServicer
from lumetry_core.alerts.rpc.maintenance import MaintenanceServicer
from lumetry_core.alerts.rpc.monitored import MonitoredAlertServicer, SilenceRuleServicer
from lumetry_core.alerts.rpc.silences import SilenceServicer
from lumetry_core.baselines.rpc.exclusions import ExclusionServicer
from lumetry_core.baselines.rpc.profiles import BaselineProfileServicer
from lumetry_core.baselines.service.profiles import claim_profile, find_profile
from lumetry_core.billing.rpc import BillingServicer
from lumetry_core.certificates.checking import CertificateChecker
from lumetry_core.certificates.rpc import CertificateServicer
from lumetry_core.certificates.service.reading import count_certificates
from lumetry_core.collectors.rpc.collectors import CollectorServicer
from lumetry_core.collectors.rpc.work import WorkDesk
from lumetry_core.collectors.service.appender import BeatAppender
from lumetry_core.collectors.streams import Streams as CollectorStreams
from lumetry_core.collectors.work import Handlers as WorkHandlers
from lumetry_core.config import Config
from lumetry_core.connections.rpc import ConnectionServicer
from lumetry_core.containers.rpc.containers import ContainerServicer
from lumetry_core.containers.rpc.logs import ContainerLogServicer
from lumetry_core.containers.rpc.runtime import RuntimeServicer
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.service.reading import find_containers
from lumetry_core.documentation.rpc import DocumentationServicer
from lumetry_core.endpoints.rpc.endpoints import EndpointServicer
from lumetry_core.endpoints.sealing import Rules as EndpointRules
from lumetry_core.endpoints.service.reading import count_endpoints
from lumetry_core.evaluation.model import Progress
from lumetry_core.evaluation.rpc import EvaluationServicer, FleetServicer
from lumetry_core.external.rpc.alerts import ExternalAlertServicer
from lumetry_core.external.rpc.definitions import ExternalDefinitionServicer
from lumetry_core.external.rpc.sources import ExternalSourceServicer
from lumetry_core.external.service.appender import Appender as ExternalAppender
from lumetry_core.feed.rpc import FeedServicer
from lumetry_core.files.rpc.files import FileServicer
from lumetry_core.files.service.reading import find_visible_files
from lumetry_core.files.storage import Storage
from lumetry_core.heartbeats.rpc.heartbeats import HeartbeatServicer
from lumetry_core.heartbeats.rpc.pings import PingServicer
from lumetry_core.heartbeats.service.appender import PingAppender
from lumetry_core.heartbeats.service.reading import count_heartbeats
from lumetry_core.hostagents.rpc.agents import HostAgentServicer
from lumetry_core.hostagents.rpc.channel import HostAgentChannelServicer
from lumetry_core.hostagents.rpc.inventory import HostInventoryServicer
from lumetry_core.hostagents.service.beating import BeatAppender as HostAgentBeatAppender
from lumetry_core.incidents.rpc.candidates import ProblemCandidateServicer
from lumetry_core.incidents.rpc.events import EventServicer
from lumetry_core.incidents.rpc.incidents import IncidentServicer
from lumetry_core.incidents.service.log_scopes import find_incident_ids, find_incident_scope
from lumetry_core.inquiries.rpc import InquiryServicer
from lumetry_core.logrules.rpc import LogAlertRuleServicer
from lumetry_core.logs.rpc.groups import LogGroupServicer
from lumetry_core.logs.rpc.ingestion import LogIngestionServicer
from lumetry_core.logs.rpc.keys import LogKeyServicer
from lumetry_core.logs.rpc.logs import LogServicer
from lumetry_core.logs.rpc.tail import LogTailServicer
from lumetry_core.logs.rpc.usage import LogUsageServicer
from lumetry_core.logs.service.appender import Appender as LogAppender
from lumetry_core.logs.service.usage import RefusedPushes
from lumetry_core.metrics.rpc.bindings import MetricBindingServicer, write_binding
from lumetry_core.metrics.rpc.catalog import MetricServicer
from lumetry_core.metrics.rpc.definitions import MetricDefinitionServicer
from lumetry_core.metrics.rpc.ingestion import IngestionServicer
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.senders import SenderBook
from lumetry_core.metricsources.rpc import MetricSourceServicer
from lumetry_core.metricsources.sealing import Rules as SourceRules
from lumetry_core.notices.rpc import NoticeServicer
from lumetry_core.notifications.collector_tester import CollectorTester
from lumetry_core.notifications.dispatching import SendsDispatches
from lumetry_core.notifications.model import Integration
from lumetry_core.notifications.rpc.channels import ChannelServicer
from lumetry_core.notifications.rpc.deliveries import DeliveryServicer
from lumetry_core.notifications.rpc.integrations import IntegrationServicer
from lumetry_core.notifications.rpc.profiles import AlertingProfileServicer
from lumetry_core.notifications.rpc.webhooks import WebhookServicer
from lumetry_core.notifications.sender import Sender
from lumetry_core.notifications.service.channels import find_unknown_channels
from lumetry_core.notifications.service.integrations import Rules as IntegrationRules
from lumetry_core.notifications.service.profiles import knows_profile
from lumetry_core.overview.rpc.resources import ProjectResourceServicer
from lumetry_core.overview.rpc.snapshots import SnapshotServicer
from lumetry_core.overview.service.figures import FigureReader
from lumetry_core.overview.service.local import find_local_host
from lumetry_core.overview.service.scene import Scenes
from lumetry_core.producers import require_producers
from lumetry_core.projects.rpc import ProjectServicer
from lumetry_core.projects.service.links import list_hidden_projects
from lumetry_core.replay.rpc import ReplayServicer
from lumetry_core.replay.settings import Settings as ReplaySettings
from lumetry_core.resources.rpc import ResourceServicer
from lumetry_core.rules.rpc import RuleServicer, decode_draft
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.outbound import OutboundClient
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.runtime.server import read_accesses
from lumetry_core.runtime.status import StatusServicer
from lumetry_core.sessions.rpc.sessions import SessionServicer
from lumetry_core.statuspages.rpc.admin import StatusAdminServicer
from lumetry_core.statuspages.rpc.page import StatusPageServicer
from lumetry_core.statuspages.service.components import count_status_components
from lumetry_core.statuspages.service.organization import PublicOrganization
from lumetry_core.topology.rpc.messages import encode_node, encode_path_node
from lumetry_core.topology.rpc.topology import TopologyServicer
from lumetry_core.topology.service.nodes import find_all_node_names, find_node_names
from lumetry_core.updates.rpc import UpdateServicer
from lumetry_core.violations.rpc import ViolationServicer, encode_violation

Service = tuple[Callable[[Any, Any], None], Any]
"""The generated `add_…Servicer_to_server` and the servicer."""

ENCODERS: Mapping[str, Callable[[Any], Message]] = {"alerts": encode_alert, "systemAlerts": encode_system_alert}
"""How the subjects of events travel, by topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What servicers share."""

    config: Config
    database: Database
    clock: Clock
    wakeups: Wakeups
    authenticator: Authenticator
    desk: LoginDesk
    oidc_desk: OidcDesk
    appender: Appender
    senders: SenderBook
    log_appender: LogAppender
    refused_pushes: RefusedPushes
    external_appender: ExternalAppender
    ping_appender: PingAppender
    beat_appender: BeatAppender
    collector_streams: CollectorStreams
    host_agent_beats: HostAgentBeatAppender
    work_handlers: WorkHandlers
    source_rules: SourceRules
    source_client: OutboundClient
    progress: Progress
    runtime: RuntimeLink
    integration_rules: IntegrationRules
    certificate_checker: CertificateChecker
    endpoint_rules: EndpointRules
    fallback: Integration | None
    sender: Sender
    destination_sender: SendsDispatches
    status: StatusServicer
    storage: Storage


def build_services(parts: Parts) -> dict[str, Service]:
    """All services; the one that answers who may call the others comes last. Raises RuntimeError when an event has no producer."""
    require_producers()
    config, database, clock, authenticator = parts.config, parts.database, parts.clock, parts.authenticator
    scenes = Scenes(database, find_local_host(config.data_dir))
    services: dict[str, Service] = {
        "lumetry.runtime.v1.StatusService": (status_service_pb2_grpc.add_StatusServiceServicer_to_server, parts.status),
        "lumetry.access.v1.UserService": (
            user_service_pb2_grpc.add_UserServiceServicer_to_server,
            UserServicer(database, clock, authenticator),
        ),
        "lumetry.access.v1.RoleService": (
            role_service_pb2_grpc.add_RoleServiceServicer_to_server,
            RoleServicer(database, clock, authenticator),
        ),
        "lumetry.access.v1.ApiTokenService": (
            api_token_service_pb2_grpc.add_ApiTokenServiceServicer_to_server,
            ApiTokenServicer(database, clock, authenticator),
        ),
        "lumetry.access.v1.SettingsService": (
            settings_service_pb2_grpc.add_SettingsServiceServicer_to_server,
            SettingsServicer(database, clock, config.organization_defaults),
        ),
        "lumetry.access.v1.WorkspaceKeyService": (
            workspace_key_service_pb2_grpc.add_WorkspaceKeyServiceServicer_to_server,
            WorkspaceKeyServicer(database, clock, authenticator, production=config.is_production),
        ),
        "lumetry.access.v1.OidcService": (
            oidc_service_pb2_grpc.add_OidcServiceServicer_to_server,
            OidcServicer(parts.oidc_desk),
        ),
        "lumetry.access.v1.AuditService": (
            audit_service_pb2_grpc.add_AuditServiceServicer_to_server,
            AuditServicer(database),
        ),
        "lumetry.projects.v1.ProjectService": (
            project_service_pb2_grpc.add_ProjectServiceServicer_to_server,
            ProjectServicer(database, clock, FigureReader(scenes).read),
        ),
        "lumetry.connections.v1.ConnectionService": (
            connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server,
            ConnectionServicer(database, clock, parts.runtime),
        ),
        "lumetry.inquiries.v1.InquiryService": (
            inquiry_service_pb2_grpc.add_InquiryServiceServicer_to_server,
            InquiryServicer(database, clock, AddressLimiter(INQUIRIES if config.limits_workspace else OFF, clock)),
        ),
        "lumetry.activity.v1.ActivityService": (
            activity_service_pb2_grpc.add_ActivityServiceServicer_to_server,
            ActivityServicer(database, list_hidden_projects),
        ),
        "lumetry.notices.v1.NoticeService": (
            notice_service_pb2_grpc.add_NoticeServiceServicer_to_server,
            NoticeServicer(database, clock, list_hidden_projects),
        ),
        "lumetry.agents.v1.AgentService": (
            agent_service_pb2_grpc.add_AgentServiceServicer_to_server,
            AgentServicer(database, clock, config.organization_defaults),
        ),
        "lumetry.hostagents.v1.HostAgentService": (
            host_agent_service_pb2_grpc.add_HostAgentServiceServicer_to_server,
            HostAgentServicer(database, clock, config.organization_defaults, show_host_agent, parts.senders.count_refused),
        ),
        "lumetry.hostagents.v1.HostAgentChannelService": (
            host_agent_channel_service_pb2_grpc.add_HostAgentChannelServiceServicer_to_server,
            HostAgentChannelServicer(database, clock, config.organization_defaults, parts.host_agent_beats, show_host_agent),
        ),
        "lumetry.sessions.v1.SessionService": (
            session_service_pb2_grpc.add_SessionServiceServicer_to_server,
            SessionServicer(database, clock, find_visible_files),
        ),
        "lumetry.metrics.v1.IngestionService": (
            ingestion_service_pb2_grpc.add_IngestionServiceServicer_to_server,
            IngestionServicer(parts.appender, parts.senders, clock),
        ),
        "lumetry.metrics.v1.MetricService": (
            metric_service_pb2_grpc.add_MetricServiceServicer_to_server,
            MetricServicer(database, clock),
        ),
        "lumetry.metrics.v1.MetricDefinitionService": (
            metric_definition_service_pb2_grpc.add_MetricDefinitionServiceServicer_to_server,
            MetricDefinitionServicer(database, clock, find_profile, claim_profile),
        ),
        "lumetry.metrics.v1.MetricBindingService": (
            metric_binding_service_pb2_grpc.add_MetricBindingServiceServicer_to_server,
            MetricBindingServicer(database, clock, find_node_names, find_all_node_names),
        ),
        "lumetry.topology.v1.TopologyService": (
            topology_service_pb2_grpc.add_TopologyServiceServicer_to_server,
            TopologyServicer(database, clock, write_binding),
        ),
        "lumetry.alerts.v1.ImpactService": (
            impact_service_pb2_grpc.add_ImpactServiceServicer_to_server,
            ImpactServicer(database, encode_node, encode_path_node),
        ),
        "lumetry.logs.v1.LogIngestionService": (
            log_ingestion_service_pb2_grpc.add_LogIngestionServiceServicer_to_server,
            LogIngestionServicer(database, clock, parts.log_appender, config.logs.of_area(), parts.refused_pushes),
        ),
        "lumetry.logs.v1.LogService": (log_service_pb2_grpc.add_LogServiceServicer_to_server, LogServicer(database)),
        "lumetry.logs.v1.LogUsageService": (
            log_usage_service_pb2_grpc.add_LogUsageServiceServicer_to_server,
            LogUsageServicer(database, clock, config.logs.key_rpm, config.logs.org_rpm),
        ),
        "lumetry.billing.v1.BillingService": (
            billing_service_pb2_grpc.add_BillingServiceServicer_to_server,
            BillingServicer(database, clock),
        ),
        "lumetry.logs.v1.LogTailService": (
            log_tail_service_pb2_grpc.add_LogTailServiceServicer_to_server,
            LogTailServicer(database, clock, parts.wakeups),
        ),
        "lumetry.logs.v1.LogKeyService": (
            log_key_service_pb2_grpc.add_LogKeyServiceServicer_to_server,
            LogKeyServicer(database, clock),
        ),
        "lumetry.logs.v1.LogGroupService": (
            log_group_service_pb2_grpc.add_LogGroupServiceServicer_to_server,
            LogGroupServicer(database, clock, find_incident_ids, find_incident_scope),
        ),
        "lumetry.logrules.v1.LogAlertRuleService": (
            log_alert_rule_service_pb2_grpc.add_LogAlertRuleServiceServicer_to_server,
            LogAlertRuleServicer(database, clock, find_unknown_channels),
        ),
        "lumetry.rules.v1.RuleService": (
            rule_service_pb2_grpc.add_RuleServiceServicer_to_server,
            RuleServicer(database, clock, knows_profile),
        ),
        "lumetry.replay.v1.ReplayService": (
            replay_service_pb2_grpc.add_ReplayServiceServicer_to_server,
            ReplayServicer(
                database,
                clock,
                ReplaySettings(config.evaluation.compound_cycle_seconds, config.organization_defaults, parts.fallback),
                decode_draft,
            ),
        ),
        "lumetry.baselines.v1.BaselineProfileService": (
            baseline_profile_service_pb2_grpc.add_BaselineProfileServiceServicer_to_server,
            BaselineProfileServicer(database, clock),
        ),
        "lumetry.baselines.v1.ExclusionService": (
            exclusion_service_pb2_grpc.add_ExclusionServiceServicer_to_server,
            ExclusionServicer(database, clock),
        ),
        "lumetry.violations.v1.ViolationService": (
            violation_service_pb2_grpc.add_ViolationServiceServicer_to_server,
            ViolationServicer(database),
        ),
        "lumetry.alerts.v1.AlertService": (
            alert_service_pb2_grpc.add_AlertServiceServicer_to_server,
            AlertServicer(database, clock, encode_violation),
        ),
        "lumetry.alerts.v1.MaintenanceService": (
            maintenance_service_pb2_grpc.add_MaintenanceServiceServicer_to_server,
            MaintenanceServicer(database, clock),
        ),
        "lumetry.alerts.v1.SilenceService": (
            silence_service_pb2_grpc.add_SilenceServiceServicer_to_server,
            SilenceServicer(database, clock),
        ),
        "lumetry.evaluation.v1.EvaluationService": (
            evaluation_service_pb2_grpc.add_EvaluationServiceServicer_to_server,
            EvaluationServicer(database, clock, parts.progress),
        ),
        "lumetry.evaluation.v1.FleetService": (
            fleet_service_pb2_grpc.add_FleetServiceServicer_to_server,
            FleetServicer(database, clock, config.fleet.tick_seconds, config.organization_defaults),
        ),
        "lumetry.hostagents.v1.HostInventoryService": (
            host_inventory_service_pb2_grpc.add_HostInventoryServiceServicer_to_server,
            HostInventoryServicer(database, clock),
        ),
        "lumetry.external.v1.ExternalSourceService": (
            external_source_service_pb2_grpc.add_ExternalSourceServiceServicer_to_server,
            ExternalSourceServicer(database, clock),
        ),
        "lumetry.external.v1.ExternalDefinitionService": (
            external_definition_service_pb2_grpc.add_ExternalDefinitionServiceServicer_to_server,
            ExternalDefinitionServicer(database, clock),
        ),
        "lumetry.external.v1.ExternalAlertService": (
            external_alert_service_pb2_grpc.add_ExternalAlertServiceServicer_to_server,
            ExternalAlertServicer(database, clock, parts.external_appender),
        ),
        "lumetry.incidents.v1.IncidentService": (
            incident_service_pb2_grpc.add_IncidentServiceServicer_to_server,
            IncidentServicer(database, clock, encode_alert, encode_violation),
        ),
        "lumetry.incidents.v1.ProblemCandidateService": (
            problem_candidate_service_pb2_grpc.add_ProblemCandidateServiceServicer_to_server,
            ProblemCandidateServicer(database, clock),
        ),
        "lumetry.incidents.v1.EventService": (
            event_service_pb2_grpc.add_EventServiceServicer_to_server,
            EventServicer(database, clock, parts.wakeups, authenticator, ENCODERS),
        ),
        "lumetry.alerts.v1.MonitoredAlertService": (
            monitored_alert_service_pb2_grpc.add_MonitoredAlertServiceServicer_to_server,
            MonitoredAlertServicer(database, clock),
        ),
        "lumetry.alerts.v1.SilenceRuleService": (
            silence_rule_service_pb2_grpc.add_SilenceRuleServiceServicer_to_server,
            SilenceRuleServicer(database, clock),
        ),
        "lumetry.feed.v1.FeedService": (
            feed_service_pb2_grpc.add_FeedServiceServicer_to_server,
            FeedServicer(database, clock, parts.wakeups),
        ),
        "lumetry.notifications.v1.DeliveryService": (
            delivery_service_pb2_grpc.add_DeliveryServiceServicer_to_server,
            DeliveryServicer(database),
        ),
        "lumetry.notifications.v1.ChannelService": (
            channel_service_pb2_grpc.add_ChannelServiceServicer_to_server,
            ChannelServicer(database, clock, parts.integration_rules, parts.destination_sender),
        ),
        "lumetry.notifications.v1.WebhookService": (
            webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server,
            WebhookServicer(database, clock, parts.integration_rules, parts.destination_sender),
        ),
        "lumetry.notifications.v1.IntegrationService": (
            integration_service_pb2_grpc.add_IntegrationServiceServicer_to_server,
            IntegrationServicer(database, clock, parts.integration_rules, parts.sender, CollectorTester(database, clock, parts.wakeups)),
        ),
        "lumetry.notifications.v1.AlertingProfileService": (
            profile_service_pb2_grpc.add_AlertingProfileServiceServicer_to_server,
            AlertingProfileServicer(database, clock),
        ),
        "lumetry.collectors.v1.CollectorService": (
            collector_service_pb2_grpc.add_CollectorServiceServicer_to_server,
            CollectorServicer(
                database,
                clock,
                parts.wakeups,
                parts.beat_appender,
                WorkDesk(database, clock, parts.work_handlers),
                parts.collector_streams,
            ),
        ),
        "lumetry.metricsources.v1.MetricSourceService": (
            metric_source_service_pb2_grpc.add_MetricSourceServiceServicer_to_server,
            MetricSourceServicer(database, clock, parts.source_rules, parts.source_client, SystemRandom().random),
        ),
        "lumetry.heartbeats.v1.HeartbeatService": (
            heartbeat_service_pb2_grpc.add_HeartbeatServiceServicer_to_server,
            HeartbeatServicer(database, clock, config.base_url),
        ),
        "lumetry.heartbeats.v1.PingService": (
            ping_service_pb2_grpc.add_PingServiceServicer_to_server,
            PingServicer(parts.ping_appender),
        ),
        "lumetry.containers.v1.ContainerService": (
            container_service_pb2_grpc.add_ContainerServiceServicer_to_server,
            ContainerServicer(database, clock, config.retention.transitions_days, parts.runtime),
        ),
        "lumetry.containers.v1.ContainerLogService": (
            container_log_service_pb2_grpc.add_ContainerLogServiceServicer_to_server,
            ContainerLogServicer(database, clock, parts.runtime),
        ),
        "lumetry.resources.v1.ResourceService": (
            resource_service_pb2_grpc.add_ResourceServiceServicer_to_server,
            ResourceServicer(database, clock, parts.runtime, config.data_dir),
        ),
        "lumetry.containers.v1.RuntimeService": (
            runtime_service_pb2_grpc.add_RuntimeServiceServicer_to_server,
            RuntimeServicer(
                database,
                parts.runtime,
                {
                    "endpoints": count_endpoints,
                    "certificates": count_certificates,
                    "heartbeats": count_heartbeats,
                    "status_components": count_status_components,
                },
            ),
        ),
        "lumetry.endpoints.v1.EndpointService": (
            endpoint_service_pb2_grpc.add_EndpointServiceServicer_to_server,
            EndpointServicer(database, clock, parts.endpoint_rules, config.retention.checks_days, find_containers),
        ),
        "lumetry.certificates.v1.CertificateService": (
            certificate_service_pb2_grpc.add_CertificateServiceServicer_to_server,
            CertificateServicer(database, clock, parts.certificate_checker),
        ),
        "lumetry.statuspages.v1.StatusAdminService": (
            status_admin_service_pb2_grpc.add_StatusAdminServiceServicer_to_server,
            StatusAdminServicer(database, clock),
        ),
        "lumetry.statuspages.v1.StatusPageService": (
            status_page_service_pb2_grpc.add_StatusPageServiceServicer_to_server,
            StatusPageServicer(database, clock, parts.wakeups, PublicOrganization(config.monitoring.status_organization)),
        ),
    }
    services["lumetry.overview.v1.ProjectResourceService"] = (
        project_resource_service_pb2_grpc.add_ProjectResourceServiceServicer_to_server,
        ProjectResourceServicer(database, clock),
    )
    services["lumetry.overview.v1.SnapshotService"] = (
        snapshot_service_pb2_grpc.add_SnapshotServiceServicer_to_server,
        SnapshotServicer(database, clock, scenes),
    )
    services["lumetry.updates.v1.UpdateService"] = (
        update_service_pb2_grpc.add_UpdateServiceServicer_to_server,
        UpdateServicer(database, clock, parts.runtime),
    )
    services["lumetry.documentation.v1.DocumentationService"] = (
        documentation_service_pb2_grpc.add_DocumentationServiceServicer_to_server,
        DocumentationServicer(
            database,
            clock,
            AddressLimiter(QUESTIONS_OF_STRANGERS if config.limits_workspace else OFF, clock),
            AddressLimiter(QUESTIONS_OF_MEMBERS if config.limits_workspace else OFF, clock),
        ),
    )
    services["lumetry.files.v1.FileService"] = (
        file_service_pb2_grpc.add_FileServiceServicer_to_server,
        FileServicer(database, clock, parts.storage),
    )
    name = "lumetry.access.v1.AccessService"
    access = AccessServicer(database, clock, parts.desk, authenticator, read_accesses((name, *services)))
    services[name] = (access_service_pb2_grpc.add_AccessServiceServicer_to_server, access)
    return services
