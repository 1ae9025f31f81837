// Why a batch waits, in words for somebody who meets it for the first time, and what can be done about it. Pure.

const WORKERS = { name: "Workers", path: () => ["workers"] };
const itemsOf = (state, name) => ({ name, path: (batch) => ["batches", batch.id, "items"], query: { state } });

/**
 * By the API's code: a headline; a glyph; `help`, which the API's own sentence does not say; what `next` is, where the API
 * says when; and one thing to do right there: `act` on the batch, change a `limit` of it, or go and look (`to`).
 */
const REASONS = {
  uploading: {
    headline: "Still being uploaded",
    icon: "open",
    help: "It starts when all of it is here. An upload that breaks off leaves nothing behind.",
  },
  not_sealed: { headline: "Open for more items", icon: "open", help: "Seal it when that was all.", act: "seal" },
  paused: { headline: "Paused", icon: "paused", help: "Items that run finish; no other starts until it is resumed.", act: "resume" },
  cancelling: {
    headline: "Being stopped",
    icon: "cancelled",
    help: "What workers have not stopped when the grace time is over is cancelled without them.",
    to: WORKERS,
  },
  not_started: { headline: "Not started yet", icon: "waiting", next: "That is", act: "run" },
  canary: { headline: "Waiting for a first look", icon: "search", help: "Then resume it.", to: itemsOf("", "First items") },
  concurrency_limit: { headline: "At its own limit", icon: "limit", help: "The next one goes when one ends. The limit can be raised now.", limit: "concurrency" },
  rate_limit: { headline: "At its own rate", icon: "limit", next: "The next one goes", help: "The rate can be raised now.", limit: "rate" },
  space_limit: {
    headline: "At the limit of its space",
    icon: "limit",
    next: "The next one goes",
    help: "It goes on as those end; the configuration sets this limit.",
    to: { name: "Batches of the space", path: () => ["batches"], query: { state: "processing" } },
  },
  job_type_limit: {
    headline: "At the limit of its job type",
    icon: "limit",
    next: "The next one goes",
    help: "It goes on as those end; the configuration sets this limit.",
    to: { name: "Job types", path: () => ["job-types"] },
  },
  tenant_share: { headline: "Waiting for its turn", icon: "batches", help: "Its items go as others end; more workers would help.", to: WORKERS },
  fleet_busy: { headline: "All workers are busy", icon: "workers", help: "Its items go as others end.", to: WORKERS },
  no_worker: { headline: "No worker is there", icon: "warn", to: WORKERS },
  backoff: { headline: "Resting before another attempt", icon: "retrying", next: "The first of them is due", to: itemsOf("retrying", "Resting items") },
  waiting_for_callbacks: {
    headline: "Waiting for somebody else",
    icon: "waiting",
    help: "Flotilla can't hurry them; an item shows until when it waits.",
    to: itemsOf("waiting", "Waiting items"),
  },
  ready: { headline: "About to be sent", icon: "pending", help: "A matter of moments: where it lasts, an engine may be away, and the log of the API says so.", to: WORKERS },
  queued: { headline: "On the way to a worker", icon: "queued", to: itemsOf("queued", "Queued items") },
  running: { headline: "Running", icon: "processing", to: WORKERS },
};

/** Codes that say that all is well. */
const CALM = ["running", "queued", "ready"];

export const CODES = Object.keys(REASONS);

export const isCalm = (code) => CALM.includes(code);

/** How a reason is told. One that this page does not know (the server is newer) is told in the API's words alone. */
export const wordsOf = (code) => REASONS[code] || { headline: code.replaceAll("_", " "), icon: "warn" };

/** How a batch that does not move is headed: the reasons below say the rest. */
export const heading = (batch) => (batch.state === "processing" ? "What its items wait for" : "Why it does not move");
