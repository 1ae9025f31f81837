// Who works, and on what.
import { html } from "../lib/html.js";
import { count, duration, plural, shortId } from "../lib/format.js";
import { useNow, useResource } from "../lib/hooks.js";
import { link } from "../lib/router.js";
import { Card, Copyable, Empty, Loaded, Time } from "../components/basics.js";

export function Workers({ api }) {
  const resource = useResource(api.space, (signal) => api.workers(signal), { period: 2_000 });
  return html`<h1>Workers</h1><${Loaded} resource=${resource}>${({ workers }) => {
    if (workers.length === 0) return html`<${Empty} title="No worker has been heard of of late"><p>Batches are accepted and wait. Start one:</p><${Copyable} label="the command" text="flotilla worker" /><//>`;
    const slots = workers.reduce((all, worker) => all + worker.concurrency, 0);
    const running = workers.reduce((all, worker) => all + worker.running, 0);
    const draining = workers.filter((worker) => worker.draining).length;
    return html`<p class="note num">${plural(workers.length, "worker")}, ${count(running)} of ${plural(slots, "slot")} busy${draining ? `, ${draining} draining` : ""}.</p>
      <div class="cards">${workers.map((worker) => html`<${Worker} key=${worker.id} worker=${worker} />`)}</div>
      <p class="note">To drain a worker, send its process SIGTERM: it takes nothing new, finishes what it runs, and stops. A supervisor's stop does the same.</p>`;
  }}<//>`;
}

function Worker({ worker }) {
  const now = useNow(1_000);
  const state = worker.draining ? "draining" : worker.running ? "busy" : "idle";
  return html`<${Card} title=${worker.id} aside=${html`<span class=${`chip ${state}`}>${state}</span>`}>
    <div class="slots"><span class="num">${worker.running} of ${plural(worker.concurrency, "slot")}</span>
      <meter min="0" max=${worker.concurrency} value=${worker.running} aria-label="Busy slots"></meter></div>
    <p class="muted facts-line"><span class="num">${count(worker.held)} taken from the queue</span><span>pools: ${worker.pools.join(", ")}</span>
      <span>up since <${Time} at=${worker.started_at} /></span><span>heard of <${Time} at=${worker.seen_at} /></span><span>version ${worker.version}</span></p>
    ${worker.doing.length > 0 && html`<table class="doing"><caption class="hidden">What it runs of this space</caption>
      <thead><tr><th>Item</th><th>Job type</th><th class="end">Attempt</th><th class="end">For</th></tr></thead>
      <tbody>${worker.doing.slice(0, 12).map((doing) => html`<tr key=${`${doing.batch_id} ${doing.index}`}>
        <th scope="row"><a href=${link(["batches", doing.batch_id, "items", String(doing.index)])}>${shortId(doing.batch_id)} : ${count(doing.index)}</a></th>
        <td>${doing.job_type}</td><td class="end num">${doing.attempt}</td><td class="end num">${duration(Math.max(0, now - Date.parse(doing.since)))}</td></tr>`)}</tbody>
    </table>`}
    ${worker.doing.length > 12 && html`<p class="muted pad">and ${plural(worker.doing.length - 12, "other")} of this space</p>`}
  <//>`;
}
