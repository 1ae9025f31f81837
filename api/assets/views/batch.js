// One batch: where it stands, why, and everything that can be done with it.
import { html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { count, duration, eta, percent, plural, rate, shortId, title } from "../lib/format.js";
import { Series } from "../lib/activity.js";
import { useLive, useResource } from "../lib/hooks.js";
import { go, link } from "../lib/router.js";
import { hasEnded, isMoving, LISTED_ITEM_STATES } from "../lib/states.js";
import { Actions, remove } from "../components/actions.js";
import { Card, Loaded, Time } from "../components/basics.js";
import { Chart } from "../components/chart.js";
import { Icon } from "../components/icons.js";
import { Reasons } from "../components/reasons.js";
import { Bar, Legend, State } from "../components/state.js";
import { Details } from "./batch/details.js";
import { Errors } from "./batch/errors.js";
import { Items } from "./batch/items.js";
import { Limits } from "./batch/limits.js";
import { Timeline } from "./batch/timeline.js";

const TABS = [
  ["items", "Items", Items],
  ["errors", "Errors", Errors],
  ["timeline", "Timeline", Timeline],
  ["details", "Details", Details],
];

export function BatchPage({ api, route }) {
  const [, id, tab = "items"] = route.path;
  const [heard, setHeard] = useState(null);
  const resource = useResource(id, async (signal) => {
    const batch = await api.batch(id, signal);
    setHeard(null);
    return batch;
  });
  useLive(({ batch }) => {
    if (batch?.id !== id) return;
    if (batch.state !== resource.data?.state) resource.reload();
    else setHeard(batch);
  });
  return html`<${Loaded} resource=${resource}>${(loaded) => {
    const batch = { ...loaded, ...heard };
    const reload = resource.reload;
    return html`<${Head} api=${api} batch=${batch} reload=${reload} />
      <${Standing} key=${`standing ${id}`} api=${api} batch=${batch} reload=${reload} />
      <div class="two">
        <${Rate} key=${`rate ${id}`} batch=${batch} />
        ${hasEnded(batch) ? html`<${Result} api=${api} batch=${batch} />` : html`<${Limits} key=${`limits ${id}`} api=${api} batch=${batch} reload=${reload} />`}
      </div>
      <${Tabs} id=${id} tab=${tab} batch=${batch} />
      <${tabOf(tab)} key=${`${tab} ${id}`} api=${api} batch=${batch} route=${route} reload=${reload} />`;
  }}<//>`;
}

const tabOf = (tab) => (TABS.find(([path]) => path === tab) || TABS[0])[2];

const Tabs = ({ id, tab, batch }) => html`<nav class="tabs" aria-label="Parts of the batch">
  ${TABS.map(
    ([path, name]) => html`<a key=${path} href=${link(["batches", id, path])} aria-current=${path === tab ? "page" : null}>${name}${
      path === "errors" && batch.counts.failed > 0 ? html` <small class="num">${count(batch.counts.failed)}</small>` : ""}</a>`,
  )}
</nav>`;

function Head({ api, batch, reload }) {
  const removed = async () => (await remove(api, batch)) && go(["batches"]);
  return html`<p class="crumbs"><a href=${link(["batches"])}>Batches</a> / <span title=${batch.id}>${shortId(batch.id)}</span></p>
    <div class="head">
      <div><h1>${title(batch)}</h1><p class="sub"><${State} name=${batch.state} />${batch.job_type && html`<a href=${link(["job-types"])}>${batch.job_type}</a>`}
        <span>created <${Time} at=${batch.created_at} /></span>${batch.completed_at && html`<span>ended <${Time} at=${batch.completed_at} /></span>`}</p></div>
      <${Actions} api=${api} batch=${batch} done=${reload}>
        <${Downloads} api=${api} batch=${batch} />
        <button class="quiet warns" data-action="delete" onClick=${removed}><${Icon} name="trash" />Delete</button>
      <//>
    </div>
    ${batch.error && html`<p class="banner bad"><${Icon} name="warn" />${batch.error}</p>`}`;
}

function Downloads({ api, batch }) {
  const file = (format, state) => api.href(`/batches/${batch.id}/download`, { format, state });
  const links = [
    ["All items, NDJSON", file("ndjson")],
    ["All items, CSV", file("csv")],
    ["Everything with files, ZIP", file("zip")],
    ...(batch.counts.failed ? [["Failed only, NDJSON", file("ndjson", "failed")], ["Failed only, CSV", file("csv", "failed")]] : []),
    ...(batch.skipped ? [[`${plural(batch.skipped, "skipped item")}, NDJSON`, api.href(`/batches/${batch.id}/skipped`, { format: "ndjson" })]] : []),
    ...(batch.archived ? [["Archive, NDJSON gzip", api.href(`/batches/${batch.id}/archive`)]] : []),
  ];
  return html`<details class="menu"><summary class="button"><${Icon} name="download" />Download</summary>
    <ul>${links.map(([name, href]) => html`<li key=${href}><a href=${href} download onClick=${(event) => (event.target.closest("details").open = false)}>${name}</a></li>`)}</ul>
  </details>`;
}

function Standing({ api, batch, reload }) {
  const counts = batch.counts;
  const ended = counts.succeeded + counts.failed + counts.cancelled;
  const href = (state) => (LISTED_ITEM_STATES.includes(state) && counts[state] ? link(["batches", batch.id, "items"], { state }) : null);
  return html`<section class="card standing" aria-label="Progress">
    <p class="figures"><b class="num">${percent(ended, counts.total)}</b>
      <span class="num">${count(ended)} of ${plural(counts.total, "item")}</span>
      ${isMoving(batch) && html`<span class="num">${rate(batch.rate_per_s)}</span>`}
      ${isMoving(batch) && batch.eta && html`<span class="num">${eta(batch.eta)} left</span>`}</p>
    <${Bar} counts=${counts} large=${true} /><${Legend} counts=${counts} href=${href} />
    ${!hasEnded(batch) && html`<${Reasons} api=${api} batch=${batch} reload=${reload} />`}
  </section>`;
}

function Rate({ batch }) {
  const series = useMemo(() => new Series(), [batch.id]);
  const seen = useRef(false);
  const [, setSampled] = useState(0);
  const value = isMoving(batch) ? batch.rate_per_s : 0;
  useEffect(() => {
    const sample = () => {
      series.add(Date.now() / 1_000, { rate: value });
      setSampled((n) => n + 1);
    };
    sample();
    if (hasEnded(batch)) return undefined;
    const timer = setInterval(sample, 1_000);
    return () => clearInterval(timer);
  }, [series, value, batch.state]);
  // Of what had ended before, nothing was seen.
  if (hasEnded(batch) && !seen.current) return null;
  seen.current = true;
  const took = batch.started_at && batch.completed_at ? Date.parse(batch.completed_at) - Date.parse(batch.started_at) : null;
  return html`<${Card} title="Rate" aside=${html`<span class="muted num">${hasEnded(batch) ? `${rate(batch.rate_per_s)} over ${duration(took)}` : rate(value)}</span>`}>
    <${Chart} data=${series.of("rate")} label=${`Items per second since this page was opened; now ${rate(value)}`} /><//>`;
}

function Result({ api, batch }) {
  const resource = useResource(`${batch.id} ${batch.revision}`, (signal) => api.part(batch.id, "result", {}, signal), { period: 0 });
  return html`<${Card} title="Result" aside=${batch.revision > 1 && html`<span class="muted">revision ${batch.revision}</span>`}>
    <${Loaded} resource=${resource}>${({ result_summary: sum, ...result }) => html`<dl class="numbers">
      ${[
        ["Success rate", percent(sum.succeeded, sum.total)],
        ["Took", duration(result.total_time_ms)],
        ["Per item", duration(result.avg_item_time_ms)],
        ["Median", duration(sum.p50_ms)],
        ["95 %", duration(sum.p95_ms)],
        ["99 %", duration(sum.p99_ms)],
        ["Attempts", count(sum.attempts)],
        ["Failed", count(sum.failed)],
      ].map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd class="num">${value}</dd></div>`)}
    </dl>`}<//>
  <//>`;
}
