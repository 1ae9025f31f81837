// The states of items and batches: their words, and what can be done in them. Pure.

/** States of items in the order in which a bar shows them. */
export const ITEM_STATES = ["succeeded", "failed", "cancelled", "processing", "queued", "waiting", "retrying", "pending"];

/** What the list of items can be filtered by. */
export const LISTED_ITEM_STATES = ["pending", "queued", "retrying", "waiting", "succeeded", "failed", "cancelled"];

export const BATCH_STATES = ["open", "pending", "processing", "paused", "cancelling", "completed", "failed", "cancelled"];

export const ACTIVE_STATES = ["processing", "paused", "pending", "cancelling", "open"];

export const hasEnded = (batch) => ["completed", "failed", "cancelled"].includes(batch.state);

/** Whether its rate and its estimate say anything. */
export const isMoving = (batch) => ["processing", "cancelling"].includes(batch.state);

/** What can be done with a batch now. */
export function actionsOf(batch) {
  const { state, counts, start, job_type: type } = batch;
  const actions = [];
  // An upload, which has no type before its end, is not for others to end.
  if (state === "open" && type !== "") actions.push("seal");
  if (state === "pending" && start !== "auto") actions.push("run");
  if (["pending", "processing"].includes(state)) actions.push("pause");
  if (state === "paused") actions.push("resume");
  if (counts.failed > 0 && !["open", "cancelling"].includes(state) && !batch.expired?.includes("inputs")) actions.push("retry");
  if (["open", "pending", "processing", "paused"].includes(state)) actions.push("cancel");
  return actions;
}

/** What somebody has to look after, most urgent first. */
export const URGENCY = ["needs a decision", "failing", "paused", "waiting", "open"];

/** How a batch is, for whoever has to look after it: null where nothing is the matter. */
export function attention(batch) {
  if (batch.state === "paused") return batch.paused?.reason === "requested" ? "paused" : "needs a decision";
  const ended = batch.counts.succeeded + batch.counts.failed;
  if (!hasEnded(batch) && batch.counts.failed > ended / 100) return "failing";
  if (batch.state === "pending") return "waiting";
  if (batch.state === "processing" && !batch.rate_per_s && !batch.counts.processing) return "waiting";
  if (batch.state === "open") return "open";
  return null;
}
