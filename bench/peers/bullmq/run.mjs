// No-op items through BullMQ: one job per item, added in bulk, until none waits or runs. ../README.md says why it is set so.
import { fork } from "node:child_process";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import pinned from "./package.json" with { type: "json" };

const TIMEOUT_MS = 600_000;
const WARM_UP = 1_000;
const POLL_MS = 20;
const CHUNK = 1_000;

const require = createRequire(`${process.env.FLOTILLA_PEERS_DIR}/bullmq/`);
const { Queue } = require("bullmq");
const { createClient } = require("redis");

const string = { type: "string" };
const { values } = parseArgs({ options: { items: string, workers: string, concurrency: string } });
const [items, workers, concurrency] = [values.items, values.workers, values.concurrency].map(Number);
const options = { concurrency, removeOnComplete: { count: 0 } };

const fail = (reason) => {
  console.error(reason);
  process.exit(1);
};
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => fail(`ended by ${signal}`));
setTimeout(() => fail(`took longer than ${TIMEOUT_MS} ms`), TIMEOUT_MS);

async function startWorkers() {
  // What a worker prints is no result.
  const stdio = ["ignore", process.stderr, process.stderr, "ipc"];
  const started = Array.from({ length: workers }, () =>
    fork(new URL("worker.mjs", import.meta.url), [JSON.stringify({ options })], { stdio }),
  );
  process.on("exit", () => started.forEach((worker) => worker.kill("SIGKILL")));
  for (const worker of started) worker.on("exit", (code) => fail(`a worker ended with ${code}`));
  await Promise.all(started.map((worker) => new Promise((ready) => worker.once("message", ready))));
}

async function measure(queue, count) {
  const payloads = Array.from({ length: count }, (_, n) => ({ n }));
  const started = performance.now();
  for (let first = 0; first < count; first += CHUNK) {
    await queue.addBulk(payloads.slice(first, first + CHUNK).map((data) => ({ name: "noop", data })));
  }
  for (;;) {
    const { waiting, active, failed } = await queue.getJobCounts("waiting", "active", "failed");
    if (failed > 0) fail(`${failed} items failed`);
    if (waiting + active === 0) return (performance.now() - started) / 1e3;
    await sleep(POLL_MS);
  }
}

await startWorkers();
const connection = createClient({ url: process.env.REDIS_URL });
connection.on("error", fail);
await connection.connect();
const queue = new Queue("items", { connection });
queue.on("error", fail);
await measure(queue, WARM_UP);
const seconds = await measure(queue, items);
const settings = { ...options, workers, chunk: CHUNK, poll_ms: POLL_MS, client: "node-redis", node: process.version };
const version = pinned.dependencies.bullmq;
process.stdout.write(`${JSON.stringify({ peer: "bullmq", version, items, seconds, settings })}\n`, () => process.exit(0));
