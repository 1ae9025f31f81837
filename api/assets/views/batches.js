// The batches of a space, newest first, a page at a time.
import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { count, eta, percent, plural, rate, title } from "../lib/format.js";
import { useLive, useResource, useSettled } from "../lib/hooks.js";
import { untilFound } from "../lib/pages.js";
import { go, link, refine } from "../lib/router.js";
import { BATCH_STATES, isMoving } from "../lib/states.js";
import { Actions, actOnAll } from "../components/actions.js";
import { Empty, Loaded, Pager, Time, usePages } from "../components/basics.js";
import { Icon } from "../components/icons.js";
import { Bar, State } from "../components/state.js";

const LIMIT = 50;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function Batches({ api, route }) {
  const state = route.query.get("state") || "";
  const words = useSettled((route.query.get("q") || "").trim());
  const pages = usePages(`${api.space} ${state} ${words}`);
  const [selected, setSelected] = useState(new Set());
  const [heard, setHeard] = useState(new Map());
  const resource = useResource(
    `${api.space} ${state} ${words} ${pages.cursor}`,
    async (signal) => {
      const page = await untilFound((cursor) => api.batches({ state, search: words, cursor, limit: LIMIT }, signal), pages.cursor, "batches");
      setHeard(new Map());
      return page;
    },
    { keep: true },
  );
  useLive(({ batch }) => {
    if (!batch) return;
    const known = resource.data?.batches.find(({ id }) => id === batch.id);
    if (known ? known.state !== batch.state : pages.number === 1 && !state && !words) resource.reload();
    else if (known) setHeard((all) => new Map(all).set(batch.id, batch));
  });
  const batches = useMemo(
    () => (resource.data?.batches || []).map((batch) => ({ ...batch, ...heard.get(batch.id) })),
    [resource.data, heard],
  );
  useEffect(() => setSelected(new Set()), [state, words, pages.cursor]);
  return html`<h1>Batches</h1>
    <${Filters} state=${state} words=${route.query.get("q") || ""} />
    <${Loaded} resource=${resource}>${(page) => html`
      <${Bulk} api=${api} chosen=${batches.filter(({ id }) => selected.has(id))} clear=${() => setSelected(new Set())} done=${resource.reload} />
      ${batches.length ? html`<${Table} api=${api} batches=${batches} selected=${selected} select=${setSelected} done=${resource.reload} />` : html`<${Nothing} state=${state} words=${words} />`}
      <${Pager} pages=${pages} next=${page.next_cursor} />`}<//>`;
}

function Filters({ state, words }) {
  const search = (event) => {
    event.preventDefault();
    const text = event.target.elements.q.value.trim();
    if (ID.test(text)) go(["batches", text.toLowerCase()]);
  };
  return html`<div class="filters">
    <form role="search" onSubmit=${search}><label class="search"><${Icon} name="search" /><span class="hidden">Search; a whole id opens its batch</span>
      <input type="search" name="q" value=${words} placeholder="Name, id or job type" onInput=${(event) => refine({ q: event.target.value.trimStart() })} />
    </label></form>
    <label><span class="hidden">State</span><select name="state" value=${state} onChange=${(event) => refine({ state: event.target.value })}>
      <option value="">Every state</option>${BATCH_STATES.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
    </select></label>
  </div>`;
}

const Bulk = ({ api, chosen, clear, done }) =>
  chosen.length > 0 &&
  html`<div class="bulk" role="region" aria-label="Selected batches">
    <b>${plural(chosen.length, "batch", "batches")} selected</b>
    ${[["pause", "Pause"], ["resume", "Resume"], ["retry", "Retry failed"], ["cancel", "Cancel"]].map(
      ([action, word]) => html`<button key=${action} onClick=${async () => {
        if (await actOnAll(api, chosen, action)) {
          clear();
          done();
        }
      }}>${word}</button>`,
    )}
    <button class="quiet" onClick=${clear}>Clear</button>
  </div>`;

function Table({ api, batches, selected, select, done }) {
  const toggle = (id) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    select(next);
  };
  const all = batches.every(({ id }) => selected.has(id));
  return html`<table class="batches">
    <caption class="hidden">Batches, newest first</caption>
    <thead><tr>
      <th class="pick"><input type="checkbox" checked=${all} aria-label="Select all on this page" onChange=${() => select(new Set(all ? [] : batches.map(({ id }) => id)))} /></th>
      <th>Batch</th><th>State</th><th>Progress</th><th class="end">Rate</th><th class="end">Left</th><th class="end">Created</th><th><span class="hidden">Actions</span></th>
    </tr></thead>
    <tbody>${batches.map((batch) => html`<${Row} key=${batch.id} api=${api} batch=${batch} picked=${selected.has(batch.id)} toggle=${() => toggle(batch.id)} done=${done} />`)}</tbody>
  </table>`;
}

const Row = ({ api, batch, picked, toggle, done }) => html`<tr>
  <td class="pick"><input type="checkbox" checked=${picked} onChange=${toggle} aria-label=${`Select ${title(batch)}`} /></td>
  <th scope="row"><a href=${link(["batches", batch.id])}>${title(batch)}</a><small>${batch.job_type}</small></th>
  <td><${State} name=${batch.state} /></td>
  <td class="progress"><${Bar} counts=${batch.counts} /><small class="num">${percent(batch.counts.total - open(batch.counts), batch.counts.total)} of ${count(batch.counts.total)}${batch.counts.failed ? ` · ${count(batch.counts.failed)} failed` : ""}</small></td>
  <td class="end num">${isMoving(batch) ? rate(batch.rate_per_s) : "–"}</td>
  <td class="end num">${(isMoving(batch) && eta(batch.eta)) || "–"}</td>
  <td class="end"><${Time} at=${batch.created_at} /></td>
  <td class="end"><${Actions} api=${api} batch=${batch} done=${done} small=${true} /></td>
</tr>`;

const open = (counts) => counts.pending + counts.queued + counts.processing + counts.retrying + counts.waiting;

const Nothing = ({ state, words }) => html`<${Empty} title=${words ? `No batch has ${words} in its name, id or job type${state && `, and is ${state}`}` : state ? `No batch is ${state}` : "No batches yet"}>
  <p>${words || state ? html`<a href=${link(["batches"])}>Show all batches</a>` : html`<a href=${link(["new"])}>Create a batch from a file</a>`}</p>
<//>`;
