// The attempts of an item, the latest first.
import { html } from "../lib/html.js";
import { absolute, duration } from "../lib/format.js";
import { Time } from "./basics.js";
import { State } from "./state.js";

/** Pure: attempts that were followed by another, and the last one where there is one. */
export function attemptsOf(item) {
  const earlier = item.history.map((tried) => ({ ...tried, state: "failed" }));
  const done = item.attempts > 0 && item.started_at;
  const last = done && {
    attempt: item.attempts,
    state: item.state,
    error: item.error,
    started_at: item.started_at,
    duration_ms: item.duration_ms,
    worker: item.worker,
  };
  return [...earlier.filter((tried) => tried.attempt !== last?.attempt), ...(last ? [last] : [])].reverse();
}

export const Attempts = ({ item }) => html`<ol class="timeline">
  ${attemptsOf(item).map((tried) => html`<li key=${tried.attempt}>
    <b>Attempt ${tried.attempt}</b> <${State} name=${tried.state} />
    <span class="when num" title=${absolute(tried.started_at)}><${Time} at=${tried.started_at} /> · ${duration(tried.duration_ms)}</span>
    ${tried.error && html`<p class="error"><b>${tried.error.kind}</b> ${tried.error.message}</p>`}
    ${tried.worker && html`<p class="muted">on ${tried.worker}</p>`}
  </li>`)}
</ol>`;
