// No-op items through graphile-worker: one job per item, added in bulk, until the table of jobs is empty. ../README.md says
// why it is set so.
import { fork } from "node:child_process";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import pinned from "./package.json" with { type: "json" };

const TIMEOUT_MS = 600_000;
const WARM_UP = 1_000;
const POLL_MS = 20;
const CHUNK = 1_000;
// Without a column list: otherwise PostgreSQL sends every job back.
const ADD = `
  select from graphile_worker.add_jobs(array(
    select row('noop', payload, null, null, null, null, null, null)::graphile_worker.job_spec
    from json_array_elements($1::json) payload))`;
const UNFINISHED = "select exists (select from graphile_worker._private_jobs) as any";

process.env.NO_LOG_SUCCESS = "1";
const require = createRequire(`${process.env.FLOTILLA_PEERS_DIR}/graphile-worker/`);
const { runMigrations } = require("graphile-worker");
const pg = require("pg");

const string = { type: "string" };
const { values } = parseArgs({ options: { items: string, workers: string, concurrency: string } });
const [items, workers, concurrency] = [values.items, values.workers, values.concurrency].map(Number);
const options = {
  concurrentJobs: concurrency,
  maxPoolSize: concurrency + 1,
  localQueue: { size: 2_000 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

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

async function measure(client, count) {
  const payloads = Array.from({ length: count }, (_, n) => ({ n }));
  const started = performance.now();
  for (let first = 0; first < count; first += CHUNK) {
    await client.query(ADD, [JSON.stringify(payloads.slice(first, first + CHUNK))]);
  }
  while ((await client.query(UNFINISHED)).rows[0].any) await sleep(POLL_MS);
  return (performance.now() - started) / 1e3;
}

const client = new pg.Client(process.env.POSTGRES_URL);
client.on("error", fail);
await client.connect();
await runMigrations({ connectionString: process.env.POSTGRES_URL });
await startWorkers();
await measure(client, WARM_UP);
const seconds = await measure(client, items);
const settings = { ...options, workers, chunk: CHUNK, poll_ms: POLL_MS, node: process.version };
const version = pinned.dependencies["graphile-worker"];
const line = JSON.stringify({ peer: "graphile-worker", version, items, seconds, settings });
process.stdout.write(`${line}\n`, () => process.exit(0));
