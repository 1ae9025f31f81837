// What was done to a batch, by whom and when.
import { html } from "../../lib/html.js";
import { absolute } from "../../lib/format.js";
import { useResource } from "../../lib/hooks.js";
import { Loaded, Time } from "../../components/basics.js";

/** Pure: the history with its beginning, which is not written into it. */
export const eventsOf = (batch, history) =>
  [
    { at: batch.created_at, action: "create", by: null, detail: null },
    ...(batch.started_at ? [{ at: batch.started_at, action: "first item dispatched", by: null, detail: null }] : []),
    ...history,
  ].sort((one, other) => Date.parse(other.at) - Date.parse(one.at));

export function Timeline({ api, batch }) {
  const resource = useResource(`${batch.id} ${batch.state} ${batch.concurrency} ${batch.rate_limit_per_s} ${batch.priority}`, (signal) => api.part(batch.id, "history", {}, signal), { keep: true });
  return html`<${Loaded} resource=${resource}>${({ history }) => html`<ol class="timeline">
    ${eventsOf(batch, history).map((event) => html`<li key=${`${event.at} ${event.action}`}>
      <b>${event.action}</b>${event.by && html` <span class="muted">by ${event.by}</span>`}
      <span class="when" title=${absolute(event.at)}><${Time} at=${event.at} /></span>
      ${event.detail && html`<p>${event.detail}</p>`}
    </li>`)}
  </ol>`}<//>`;
}
