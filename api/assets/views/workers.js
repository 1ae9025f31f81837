// Who works, and on what.
import { html, useState } from "../lib/html.js";
import { count, duration, plural, shortId } from "../lib/format.js";
import { useNow, useResource } from "../lib/hooks.js";
import { link } from "../lib/router.js";
import { Card, Copyable, Empty, Loaded, Time } from "../components/basics.js";
import { ask } from "../components/dialog.js";
import { say, sayError } from "../components/toast.js";

/** Pure: what a worker does. One that stops for good drains, too, and can't be told to work again. */
export function standing({ draining, told_to_drain: told, held, running }) {
  if (draining) return told && held === 0 ? "drained" : "draining";
  return told ? "told to drain" : running ? "busy" : "idle";
}

export function Workers({ api }) {
  const resource = useResource(api.space, (signal) => api.workers(signal), { period: 2_000 });
  return html`<h1>Workers</h1><${Loaded} resource=${resource}>${({ workers }) => {
    if (workers.length === 0) return html`<${Empty} title="No worker has been heard of of late"><p>Batches are accepted and wait. Start one:</p><${Copyable} label="the command" text="flotilla worker" /><//>`;
    const slots = workers.reduce((all, worker) => all + worker.concurrency, 0);
    const running = workers.reduce((all, worker) => all + worker.running, 0);
    const draining = workers.filter((worker) => worker.draining).length;
    return html`<p class="note num">${plural(workers.length, "worker")}, ${count(running)} of ${plural(slots, "slot")} busy${draining ? `, ${draining} draining` : ""}.</p>
      <div class="cards">${workers.map((worker) => html`<${Worker} key=${worker.id} api=${api} worker=${worker} working=${workers.length - draining} done=${resource.reload} />`)}</div>
      <p class="note">A worker that drains finishes what it runs, gives back the rest and takes nothing new, until you resume it. To stop one for good, stop its process (SIGTERM): it drains first.</p>`;
  }}<//>`;
}

function Worker({ api, worker, working, done }) {
  const now = useNow(1_000);
  const state = standing(worker);
  return html`<${Card} title=${worker.id} aside=${html`<span class="row"><span class=${`chip ${state}`}>${state}</span><${Order} api=${api} worker=${worker} working=${working} done=${done} /></span>`}>
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

/** Drains the worker, or has it work again. */
function Order({ api, worker, working, done }) {
  const [busy, setBusy] = useState(false);
  const order = worker.told_to_drain ? "resume" : "drain";
  // It stops for good.
  if (worker.draining && !worker.told_to_drain) return null;
  const tell = async () => {
    const last = working <= 1 ? " It is the only one that works: nothing runs until it is resumed, or another one starts." : "";
    const question = {
      title: `Drain ${worker.id}?`,
      text: `It finishes the ${plural(worker.running, "item")} that it runs, of all spaces, and takes nothing new until it is resumed.${last}`,
      yes: "Drain it",
    };
    if (order === "drain" && !(await ask(question))) return;
    setBusy(true);
    try {
      await api.tell(worker.id, order);
      say(`${order === "drain" ? "Told to drain" : "Told to work again"}: ${worker.id}`);
      await done();
    } catch (error) {
      sayError(error);
    }
    setBusy(false);
  };
  return html`<button class="small" data-action=${order} disabled=${busy} onClick=${tell}>${order === "drain" ? "Drain" : "Resume"}</button>`;
}
