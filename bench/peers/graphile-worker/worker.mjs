// One worker process. It tells its parent when it listens for jobs, and ends with it.
import { createRequire } from "node:module";
import { EventEmitter, once } from "node:events";

// Read when the package is loaded: otherwise each job is a line of log.
process.env.NO_LOG_SUCCESS = "1";
const require = createRequire(`${process.env.FLOTILLA_PEERS_DIR}/graphile-worker/`);
const { run } = require("graphile-worker");

process.on("disconnect", () => process.exit());
const { options } = JSON.parse(process.argv[2]);
const events = new EventEmitter();
const listening = once(events, "pool:listen:success");
await run({
  preset: { worker: { connectionString: process.env.POSTGRES_URL, events, ...options } },
  taskList: { noop: async () => {} },
});
await listening;
process.send("ready");
