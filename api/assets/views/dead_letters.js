// Items that failed for good and that nobody has decided about, by what their errors mean.
import { html } from "../lib/html.js";
import { count, plural, shortId } from "../lib/format.js";
import { useResource } from "../lib/hooks.js";
import { go, hashOf, link, refine } from "../lib/router.js";
import { Attempts } from "../components/attempts.js";
import { Card, Empty, Facts, Json, Loaded, Pager, Time, usePages } from "../components/basics.js";
import { ask } from "../components/dialog.js";
import { Icon } from "../components/icons.js";
import { say, sayError } from "../components/toast.js";

const LIMIT = 50;
const VERBS = {
  redrive: { word: "Redrive", text: "They run again, with as many attempts as new items.", done: "run again" },
  discard: { word: "Discard", text: "They are forgotten; their items stay failed. This can't be undone.", done: "discarded", danger: true },
};

/** One request decides about a thousand batches at most. */
async function decideAll(api, action, which) {
  let items = 0;
  for (;;) {
    const answer = await api.decide(action, which);
    items += answer.items;
    const refused = answer.refused[0];
    if (!answer.more || answer.items === 0) return { items, refused };
  }
}

async function decide(api, action, which) {
  const verb = VERBS[action];
  try {
    const counted = await api.decide(action, { ...which, dry_run: true });
    if (counted.items === 0) return sayError(new Error(counted.refused[0]?.reason || "There are no such dead letters any more"));
    const number = `${counted.more ? "at least " : ""}${plural(counted.items, "dead letter")}`;
    const sure = await ask({ title: `${verb.word} ${number}?`, text: verb.text, yes: `${verb.word} ${count(counted.items)}`, danger: verb.danger });
    if (!sure) return false;
    const { items, refused } = await decideAll(api, action, which);
    say(`${plural(items, "dead letter")} ${verb.done}`);
    if (refused) say(`Batch ${shortId(refused.batch_id)}: ${refused.reason}`, "error");
    return true;
  } catch (error) {
    sayError(error);
    return false;
  }
}

const Decide = ({ api, which, done }) => html`<div class="actions">
  ${Object.entries(VERBS).map(([action, { word, danger }]) => html`<button key=${action} class=${danger ? "quiet warns" : ""} data-decide=${action}
    onClick=${async () => (await decide(api, action, which)) && done()}><${Icon} name=${danger ? "trash" : "retrying"} />${word}</button>`)}
</div>`;

export function DeadLetters({ api, route }) {
  const filter = Object.fromEntries(["batch", "job_type", "fingerprint"].map((name) => [name, route.query.get(name) || undefined]));
  const key = JSON.stringify([api.space, filter]);
  const groups = useResource(key, (signal) => api.deadGroups(filter, signal), { keep: true });
  const types = useResource("job types", (signal) => api.jobTypes(signal), { period: 0 });
  const given = Object.entries(filter).filter(([, value]) => value);
  return html`<h1>Dead letters</h1>
    <div class="filters">
      <label><span class="hidden">Job type</span><select name="job_type" value=${filter.job_type || ""} onChange=${(event) => refine({ job_type: event.target.value })}>
        <option value="">Every job type</option>${(types.data?.job_types || []).map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select></label>
      ${filter.batch && html`<span class="chip">Batch <a href=${link(["batches", filter.batch])}>${shortId(filter.batch)}</a><button class="quiet glyph" aria-label="Of every batch" onClick=${() => refine({ batch: "" })}><${Icon} name="failed" /></button></span>`}
      ${filter.fingerprint && html`<span class="chip">Error <code>${filter.fingerprint}</code><button class="quiet glyph" aria-label="Every error" onClick=${() => refine({ fingerprint: "" })}><${Icon} name="failed" /></button></span>`}
    </div>
    <${Loaded} resource=${groups}>${(data) => {
      if (data.groups.length === 0) return html`<${Empty} title="No dead letters"><p>An item that failed for good stays here until it runs again or somebody discards it.</p><//>`;
      return html`<ul class="groups">${data.groups.map((group) => html`<${Group} key=${group.fingerprint} api=${api} group=${group} filter=${filter} done=${groups.reload} />`)}</ul>
        ${given.length > 0 && html`<${Letters} key=${key} api=${api} filter=${filter} seen=${data.groups.map(({ count: n }) => n).join()} />`}`;
    }}<//>`;
}

const Group = ({ api, group, filter, done }) => html`<li>
  <div class="share"><b class="num">${count(group.count)}</b><small>${plural(group.batches, "batch", "batches")}</small></div>
  <div><p class="error">${group.sample}</p><small class="muted">first <${Time} at=${group.first_at} />, last <${Time} at=${group.last_at} /></small></div>
  <div class="row">
    ${filter.fingerprint !== group.fingerprint && html`<a class="button" href=${link(["dead-letters"], { ...filter, fingerprint: group.fingerprint })}>Show</a>`}
    <${Decide} api=${api} which=${{ ...filter, fingerprint: group.fingerprint }} done=${done} />
  </div>
</li>`;

function Letters({ api, filter, seen }) {
  const pages = usePages(JSON.stringify(filter));
  const resource = useResource(`${pages.cursor} ${seen}`, (signal) => api.deadLetters({ ...filter, cursor: pages.cursor, limit: LIMIT }, signal), { keep: true });
  return html`<${Loaded} resource=${resource}>${(page) => html`<table class="items">
      <caption class="hidden">Dead letters, newest batch first</caption>
      <thead><tr><th class="end">#</th><th>Batch</th><th>Error</th><th class="end">Attempts</th><th class="end">When</th></tr></thead>
      <tbody>${page.dead_letters.map((letter) => html`<tr key=${`${letter.batch_id} ${letter.index}`}>
        <th scope="row" class="end num"><a href=${hashOf(["dead-letters", letter.batch_id, String(letter.index)], { space: api.space })}><span class="hidden">Item </span>${count(letter.index)}</a></th>
        <td><a href=${link(["batches", letter.batch_id])}>${shortId(letter.batch_id)}</a></td>
        <td class="gist error">${letter.custom_id && html`<b>${letter.custom_id}</b> `}<span>${letter.error.message}</span></td>
        <td class="end num">${letter.attempts}</td><td class="end"><${Time} at=${letter.dead_at} /></td>
      </tr>`)}</tbody>
    </table><${Pager} pages=${pages} next=${page.next_cursor} />`}<//>`;
}

export function DeadLetterPage({ api, route }) {
  const [, batch, index] = route.path;
  const resource = useResource(`${batch} ${index}`, (signal) => api.deadLetter(batch, index, signal), { period: 0 });
  return html`<p class="crumbs"><a href=${link(["dead-letters"])}>Dead letters</a> / <a href=${link(["batches", batch])}>${shortId(batch)}</a> / item ${index}</p>
    <${Loaded} resource=${resource}>${(letter) => html`
      <div class="head"><div><h1>Dead letter of item ${count(letter.index)}</h1>
          <p class="sub"><span>${letter.job_type}</span><span>died <${Time} at=${letter.dead_at} /></span><a href=${link(["batches", batch, "items", index])}>The item</a></p></div>
        <${Decide} api=${api} which=${{ batch, indices: [letter.index] }} done=${() => go(["dead-letters"], { batch })} /></div>
      <p class="banner bad"><${Icon} name="warn" /><span><b>${letter.error.kind}</b> ${letter.error.message}</span></p>
      <div class="two">
        <${Card} title="Input"><${Json} value=${letter.input} label="input" /><//>
        <${Card} title="Facts"><${Facts} of=${[
          ["Custom id", letter.custom_id],
          ["Fingerprint", html`<a href=${link(["dead-letters"], { fingerprint: letter.fingerprint })}>${letter.fingerprint}</a>`],
          ["Attempts", letter.attempts],
          ["Worker", letter.worker],
        ]} /><//>
      </div>
      <${Card} title="Attempts"><${Attempts} item=${{ ...letter, state: "failed", duration_ms: Date.parse(letter.dead_at) - Date.parse(letter.started_at) }} /><//>`}<//>`;
}
