"""The routes of replays (contract lumetry 19.3)."""

from gateway.contracts.lumetry import preview
from gateway.transcode.channel import find_rpc
from gateway.transcode.routes import Route
from lumetry.replay.v1 import replay_service_pb2

PREVIEW_SECONDS = 120.0
"""A month of points at short intervals takes a while."""

PREVIEW_ROUTES = (
    Route(
        method="POST",
        path="/api/rules/preview",
        heading="Preview a rule",
        rpc=find_rpc(replay_service_pb2.DESCRIPTOR, "ReplayService", "PreviewRule"),
        body=preview.PreviewBody,
        decode=preview.decode_preview_rule,
        encode=preview.encode_preview_rule,
        answer=preview.Preview,
        deadline_seconds=PREVIEW_SECONDS,
    ),
)
