// Ingests one batch and lists alerts, as an external integration in Node would: client.js ADDRESS TOKEN PROTO_ROOT METRIC_KEY
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [address, token, root, metricKey] = process.argv.slice(2);
const options = { includeDirs: [root], keepCase: false, longs: Number, defaults: true };
const load = (file) => grpc.loadPackageDefinition(loader.loadSync(file, options)).lumetry;
const ingestion = load('lumetry/metrics/v1/ingestion_service.proto').metrics.v1;
const alerts = load('lumetry/alerts/v1/alert_service.proto').alerts.v1;

const credentials = grpc.credentials.createInsecure();
const metadata = new grpc.Metadata();
metadata.set('authorization', `Bearer ${token}`);
const deadline = () => ({ deadline: Date.now() + 20000 });
const call = (client, method, request) =>
  new Promise((resolve, reject) =>
    client[method](request, metadata, deadline(), (error, reply) => (error ? reject(error) : resolve(reply))));

async function main() {
  const now = Math.floor(Date.now() / 1000);
  const points = [1, 2, 3].map((value, position) => ({
    metricKey, value: value * 100, time: { seconds: now - 3 + position, nanos: 0 }, labels: { 'host.id': 'node-client' },
  }));
  const ingested = await call(new ingestion.IngestionService(address, credentials), 'IngestMetrics', { points });
  const listed = await call(new alerts.AlertService(address, credentials), 'ListAlerts', { limit: 10 });
  console.log(JSON.stringify({ accepted: ingested.batch.acceptedCount, alerts: listed.alerts.map((alert) => alert.metricKey) }));
}

main().catch((error) => { console.error(error); process.exit(1); });
