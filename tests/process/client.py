"""A client with generated stubs in a process of its own: client.py ADDRESS TOKEN METRIC_KEY."""

import sys
import time

import grpc

from lumetry.alerts.v1 import alert_service_pb2, alert_service_pb2_grpc
from lumetry.metrics.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc


def main() -> None:
    """Ingests three points one by one over a stream, then lists alerts."""
    address, token, metric_key = sys.argv[1:]
    metadata = (("authorization", f"Bearer {token}"),)
    now = int(time.time())

    def requests():  # type: ignore[no-untyped-def]  # noqa: ANN202
        for value in (1, 2, 3):
            point = ingestion_service_pb2.Point(metric_key=metric_key, value=value * 100, labels={"host.id": "python-client"})
            point.time.FromSeconds(now - 3 + value)
            yield ingestion_service_pb2.StreamMetricsRequest(points=[point])

    with grpc.insecure_channel(address) as channel:
        reply = ingestion_service_pb2_grpc.IngestionServiceStub(channel).StreamMetrics(requests(), metadata=metadata, timeout=20)
        request = alert_service_pb2.ListAlertsRequest(limit=10)
        listed = alert_service_pb2_grpc.AlertServiceStub(channel).ListAlerts(request, metadata=metadata, timeout=20)
    print(reply.point_count, [alert.metric_key for alert in listed.alerts])


if __name__ == "__main__":
    main()
