// A minimal collector in another language: generated messages, a plain gRPC channel, and a state directory.
// Reads LUMETRY_URL (grpc://host:port), LUMETRY_ENROLLMENT_TOKEN (first start only) and LUMETRY_STATE_DIR.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const stubs = require("./stubs.js");

const collectors = stubs.lumetry.collectors.v1;
const metrics = stubs.lumetry.metrics.v1;
const VERSION = "1.0.0";
const CAPABILITIES = ["host_metrics", "notification"];
const CALL_MS = 10000;
const MAX_BATCH = 5000;

const folder = process.env.LUMETRY_STATE_DIR;
const channel = new grpc.Client(process.env.LUMETRY_URL.replace("grpc://", ""), grpc.credentials.createInsecure(), {
  "grpc.initial_reconnect_backoff_ms": 500,
  "grpc.max_reconnect_backoff_ms": 2000,
});
const instanceId = crypto.randomUUID();

fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
const state = load("state.json") ?? { installationId: crypto.randomUUID(), secret: "", candidate: "" };
let points = load("points.json") ?? [];
let config = { heartbeatIntervalSeconds: 30, hostMetrics: { enabled: true, intervalSeconds: 60 } };
let revision = 0;
let status = "";
let sampler;
save("state.json", state);

function load(name) {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, name)));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

// Replaces a file durably: what it said before or says now outlives the process, never half of it.
function save(name, value) {
  const place = path.join(folder, name);
  const file = fs.openSync(`${place}.new`, "w", 0o600);
  fs.writeSync(file, JSON.stringify(value));
  fs.fsyncSync(file);
  fs.closeSync(file);
  fs.renameSync(`${place}.new`, place);
}

function call(service, method, request, secret) {
  const space = service.startsWith("lumetry.metrics") ? metrics : collectors;
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${secret}`);
  return new Promise((resolve, reject) => {
    channel.makeUnaryRequest(
      `/${service}/${method}`,
      (message) => Buffer.from(space[`${method}Request`].encode(message).finish()),
      (bytes) => space[`${method}Response`].decode(bytes),
      request,
      metadata,
      { deadline: Date.now() + CALL_MS },
      (error, answer) => (error ? reject(error) : resolve(answer)),
    );
  });
}

// The newest credential is tried first: an older one is only valid until then.
async function collector(method, request) {
  const usable = [state.candidate, state.secret].filter(Boolean);
  for (const [position, secret] of usable.entries()) {
    try {
      const answer = await call("lumetry.collectors.v1.CollectorService", method, request, secret);
      settle(secret);
      return answer;
    } catch (error) {
      if (error.code !== grpc.status.UNAUTHENTICATED || position === usable.length - 1) throw error;
    }
  }
}

function settle(secret) {
  if (secret === state.candidate) {
    state.secret = state.candidate;
    state.candidate = "";
    save("state.json", state);
  }
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds * (0.75 + Math.random() / 2)));
}

function timestamp(milliseconds) {
  return { seconds: Math.floor(milliseconds / 1000), nanos: (milliseconds % 1000) * 1000000 };
}

async function enroll() {
  const request = { installationId: state.installationId, hostname: os.hostname(), version: VERSION, capabilities: CAPABILITIES };
  while (!state.secret) {
    try {
      const token = process.env.LUMETRY_ENROLLMENT_TOKEN;
      const answer = await call("lumetry.collectors.v1.CollectorService", "EnrollCollector", request, token);
      state.secret = answer.credential;
      save("state.json", state);
    } catch (error) {
      if (error.code === grpc.status.UNAUTHENTICATED) throw error;
      await pause(1000);
    }
  }
}

function sample() {
  if (!config.hostMetrics.enabled) return;
  const label = os.hostname();
  points.push({ metricKey: "host.load1", time: Date.now(), value: os.loadavg()[0], labels: { "host.id": label, "host.name": label } });
  save("points.json", points);
}

function schedule() {
  clearInterval(sampler);
  sampler = setInterval(sample, config.hostMetrics.intervalSeconds * 1000);
}

async function upload() {
  while (points.length) {
    const batch = points.slice(0, MAX_BATCH);
    const request = { points: batch.map((point) => ({ ...point, time: timestamp(point.time), namespace: "host", source: "collector" })) };
    await call("lumetry.metrics.v1.IngestionService", "IngestMetrics", request, state.secret);
    points = points.slice(batch.length);
    save("points.json", points);
  }
}

async function configure() {
  const answer = await collector("FetchCollectorConfig", { knownRevision: revision });
  if (answer.config) {
    config = {
      heartbeatIntervalSeconds: answer.config.heartbeatIntervalSeconds || 30,
      hostMetrics: {
        enabled: answer.config.hostMetrics?.enabled ?? true,
        intervalSeconds: answer.config.hostMetrics?.intervalSeconds || 60,
      },
    };
    schedule();
  }
  revision = Number(answer.revision);
  status = "applied";
}

async function rotate() {
  const answer = await collector("RotateCollectorCredential", {});
  state.candidate = answer.credential; // kept before it is used: the old one still serves when this process ends now
  save("state.json", state);
}

async function work() {
  const claimed = await collector("ClaimWork", { capabilities: CAPABILITIES, maxItems: 4 });
  for (const item of claimed.items) {
    const begin = Date.now();
    const outcome = await deliver(item.notification, item.budgetMs);
    outcome.durationMs = Date.now() - begin;
    await collector("CompleteWork", { claimId: item.claimId, claimToken: item.claimToken, outcome });
  }
}

async function deliver(notification, budgetMs) {
  try {
    const answer = await fetch(notification.url, {
      method: notification.method,
      headers: notification.headers,
      body: notification.body,
      redirect: "manual",
      signal: AbortSignal.timeout(budgetMs),
    });
    return { succeeded: answer.ok, statusCode: answer.status, error: answer.ok ? "" : `answered ${answer.status}` };
  } catch (error) {
    return { succeeded: false, error: String(error.cause?.message ?? error.message) };
  }
}

async function beat() {
  const answer = await collector("SendHeartbeat", {
    instanceId,
    version: VERSION,
    queueDepth: points.length,
    droppedCount: 0,
    sendTime: timestamp(Date.now()),
    configRevisionApplied: revision,
    configApplyStatus: status,
    capabilities: CAPABILITIES,
  });
  if (answer.rotateCredential) await rotate();
  if (Number(answer.configRevision) !== revision) {
    await configure();
    return beat();
  }
  return undefined;
}

async function main() {
  schedule();
  await enroll();
  sample();
  let wait = 0;
  for (;;) {
    try {
      await beat();
      await upload();
      await work();
      wait = config.heartbeatIntervalSeconds * 1000;
    } catch (error) {
      if (error.code === grpc.status.UNAUTHENTICATED) throw error;
      wait = Math.min(config.heartbeatIntervalSeconds * 1000, Math.max(1000, wait === config.heartbeatIntervalSeconds * 1000 ? 1000 : 2 * wait));
    }
    await pause(wait);
  }
}

main().catch((error) => {
  console.error(`the server refuses this collector: ${error.message}`);
  process.exit(3);
});
