// One worker process. It tells its parent when it is ready, and ends with it.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.FLOTILLA_PEERS_DIR}/bullmq/`);
const { Worker } = require("bullmq");
const { createClient } = require("redis");

process.on("disconnect", () => process.exit());
const { options } = JSON.parse(process.argv[2]);
const connection = createClient({ url: process.env.REDIS_URL });
connection.on("error", console.error);
await connection.connect();
const worker = new Worker("items", async () => {}, { connection, ...options });
worker.on("error", console.error);
await worker.waitUntilReady();
process.send("ready");
