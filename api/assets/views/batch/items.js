// The items of a batch, a page at a time.
import { html } from "../../lib/html.js";
import { count, duration } from "../../lib/format.js";
import { useResource, useSettled } from "../../lib/hooks.js";
import { untilFound } from "../../lib/pages.js";
import { link, refine } from "../../lib/router.js";
import { hasEnded, LISTED_ITEM_STATES } from "../../lib/states.js";
import { Empty, Loaded, Pager, usePages } from "../../components/basics.js";
import { Icon } from "../../components/icons.js";
import { State } from "../../components/state.js";

const LIMIT = 50;
const SHOWN = 120;

/** Pure: what a row says of an item. */
export function gist(item) {
  if (item.error) return item.error.message;
  const value = item.output ?? item.input;
  const text = typeof value === "string" ? value : JSON.stringify(value) || "";
  return text.length > SHOWN ? `${text.slice(0, SHOWN)} …` : text;
}

export function Items({ api, batch, route }) {
  const state = route.query.get("state") || "";
  const name = useSettled((route.query.get("custom_id") || "").trim());
  const pages = usePages(`${batch.id} ${state} ${name}`);
  const resource = useResource(
    `${batch.id} ${state} ${name} ${pages.cursor} ${batch.state}`,
    (signal) => untilFound((cursor) => api.part(batch.id, "items", { state, custom_id: name, cursor, limit: LIMIT }, signal), pages.cursor, "items"),
    { keep: true, period: hasEnded(batch) ? 0 : undefined },
  );
  const jump = (event) => {
    event.preventDefault();
    const index = Number(event.target.elements.index.value);
    // The cursor is the index of the last item before the page.
    pages.jump(index > 0 ? String(index - 1) : null);
  };
  return html`<div class="filters">
      <label><span class="hidden">State of the items</span><select name="item-state" value=${state} onChange=${(event) => refine({ state: event.target.value })}>
        <option value="">Every state</option>
        ${LISTED_ITEM_STATES.map((name) => html`<option key=${name} value=${name}>${name} (${count(batch.counts[name])})</option>`)}
      </select></label>
      <label class="search"><${Icon} name="search" /><span class="hidden">custom_id of an item</span>
        <input type="search" name="custom_id" value=${route.query.get("custom_id") || ""} placeholder="custom_id, whole" onInput=${(event) => refine({ custom_id: event.target.value.trimStart() })} />
      </label>
      <form class="jump" onSubmit=${jump}><label>From item <input type="number" name="index" min="0" max=${Math.max(0, batch.counts.total - 1)} step="1" required /></label><button>Go</button></form>
    </div>
    <${Loaded} resource=${resource}>${(page) => html`
      ${page.items.length ? html`<${Table} batch=${batch} items=${page.items} />` : html`<${Empty} title=${nothing(state, name)} />`}
      <${Pager} pages=${pages} next=${page.next_cursor} />`}<//>`;
}

const nothing = (state, name) => (name ? `No item${state && ` that is ${state}`} has the custom_id ${name}` : state ? `No item is ${state}` : "No items");

const Table = ({ batch, items }) => html`<table class="items">
  <caption class="hidden">Items in input order</caption>
  <thead><tr><th class="end">#</th><th>State</th><th>Item</th><th class="end">Attempts</th><th class="end">Took</th></tr></thead>
  <tbody>${items.map((item) => html`<tr key=${item.index}>
    <th scope="row" class="end num"><a href=${link(["batches", batch.id, "items", String(item.index)])}><span class="hidden">Item </span>${count(item.index)}</a></th>
    <td><${State} name=${item.state} /></td>
    <td class=${item.error ? "gist error" : "gist"}>${item.custom_id && html`<b>${item.custom_id}</b> `}<span>${gist(item)}</span></td>
    <td class="end num">${item.attempts || "–"}</td><td class="end num">${duration(item.duration_ms)}</td>
  </tr>`)}</tbody>
</table>`;
