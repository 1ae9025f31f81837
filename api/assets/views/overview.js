// How the space does now.
import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { Activity, totals } from "../lib/activity.js";
import { compact, eta, percent, plural, rate, title } from "../lib/format.js";
import { useLive, useResource } from "../lib/hooks.js";
import { link } from "../lib/router.js";
import { ACTIVE_STATES, attention, URGENCY } from "../lib/states.js";
import { Card, Copyable, Empty, Loaded, Time } from "../components/basics.js";
import { Chart } from "../components/chart.js";
import { Gist } from "../components/reasons.js";
import { Bar, State } from "../components/state.js";

const LISTED = 100;
const EXPLAINED = 6;
const activities = new Map();

function activityOf(space) {
  if (!activities.has(space)) activities.set(space, new Activity());
  return activities.get(space);
}

async function load(api, signal) {
  const pages = await Promise.all(ACTIVE_STATES.map((state) => api.batches({ state, limit: LISTED }, signal)));
  const recent = await api.batches({ limit: 8 }, signal);
  return { active: pages.flatMap((page) => page.batches), more: pages.some((page) => page.next_cursor), recent: recent.batches };
}

export function Overview({ api }) {
  const activity = useMemo(() => activityOf(api.space), [api]);
  const [, setSampled] = useState(0);
  const resource = useResource(api.space, async (signal) => {
    const loaded = await load(api, signal);
    activity.replace(loaded.active);
    return loaded;
  });
  useLive(({ batch }) => batch && activity.hear(batch) && resource.reload());
  useEffect(() => {
    if (!resource.data) return undefined;
    const sample = () => {
      activity.sample(Date.now() / 1_000);
      setSampled((n) => n + 1);
    };
    sample();
    const timer = setInterval(sample, 1_000);
    return () => clearInterval(timer);
  }, [Boolean(resource.data)]);
  return html`<h1>Overview</h1>
    <${Loaded} resource=${resource}>${(data) =>
      data.recent.length === 0 ? html`<${Start} space=${api.space} />` : html`<${Now} api=${api} activity=${activity} data=${data} />`}<//>`;
}

function Now({ api, activity, data }) {
  const active = activity.list();
  const now = totals(active);
  const worrying = active.map((batch) => [batch, attention(batch)]).filter(([, why]) => why);
  worrying.sort(([, one], [, other]) => URGENCY.indexOf(one) - URGENCY.indexOf(other));
  const moving = active.filter((batch) => !attention(batch));
  const ended = data.recent.filter((batch) => !active.some(({ id }) => id === batch.id));
  return html`
    <div class="tiles">
      <${Tile} name="Throughput" value=${rate(now.throughput)} series=${activity.series.of("throughput")} tint="--accent" />
      <${Tile} name="Running" value=${compact(now.running)} series=${activity.series.of("running")} tint="--processing" />
      <${Tile} name="Backlog" value=${compact(now.backlog)} series=${activity.series.of("backlog")} tint="--muted" />
      <${Tile} name="Failures" value=${compact(now.failures)} series=${activity.series.of("failures")} tint="--failed" />
    </div>
    <p class="note">Of the ${data.more ? "first " : ""}${plural(active.length, "active batch", "active batches")} of this space; charts since this page was opened.</p>
    ${worrying.length > 0 && html`<${Card} title="Needs attention" kind="attention"><ul class="rows">
      ${worrying.map(([batch, why], place) => html`<${Worry} key=${batch.id} api=${api} batch=${batch} why=${why} explained=${place < EXPLAINED} />`)}
    </ul><//>`}
    <${Card} title="Active" aside=${html`<a href=${link(["batches"])}>All batches</a>`}>
      ${moving.length ? html`<ul class="rows">${moving.map((batch) => html`<${Row} key=${batch.id} batch=${batch} />`)}</ul>` : html`<p class="muted pad">Nothing ${worrying.length ? "else " : ""}runs right now.</p>`}
    <//>
    ${ended.length > 0 && html`<${Card} title="Ended of late"><ul class="rows">${ended.map((batch) => html`<${Row} key=${batch.id} batch=${batch} />`)}</ul><//>`}`;
}

const Tile = ({ name, value, series, tint }) => html`<section class="tile">
  <h2>${name}</h2><b class="num">${value}</b>
  <${Chart} data=${series} height=${44} axes=${false} tint=${tint} label=${`${name} over time; now ${value}`} />
</section>`;

const Row = ({ batch }) => html`<li>
  <a class="row-name" href=${link(["batches", batch.id])}>${title(batch)}</a>
  <${State} name=${batch.state} /><${Bar} counts=${batch.counts} />
  <span class="num end">${batch.completed_at ? html`<${Time} at=${batch.completed_at} />` : `${rate(batch.rate_per_s)}${batch.eta ? ` · ${eta(batch.eta)} left` : ""}`}</span>
</li>`;

function Worry({ api, batch, why, explained }) {
  const reasons = useResource(`${batch.id} ${batch.state}`, (signal) => (explained ? api.part(batch.id, "explain", {}, signal) : null), { period: 10_000 });
  const { failed, succeeded } = batch.counts;
  const first = reasons.data?.reasons[0];
  return html`<li>
    <a class="row-name" href=${link(["batches", batch.id])}>${title(batch)}</a>
    <${State} name=${batch.state} /><${Bar} counts=${batch.counts} />
    <span class="num end">${why === "failing" ? `${percent(failed, failed + succeeded)} failed` : why}</span>
    ${reasons.error ? html`<p class="why">${reasons.error.message}</p>` : first && html`<${Gist} reason=${first} />`}
  </li>`;
}

function Start({ space }) {
  const server = location.origin;
  const query = space === "default" ? "" : `&space=${space}`;
  const flag = space === "default" ? "" : ` --space ${space}`;
  return html`<${Empty} title="No batches in this space yet">
    <p>A batch is a list of items that workers handle, one by one. Send one with either of these, or
      <a href=${link(["new"])}>choose a file here</a>.</p>
    <${Copyable} label="the curl command" text=${`curl '${server}/v1/batches?job_type=echo${query}' \\\n  -H 'content-type: application/x-ndjson' \\\n  --data-binary $'{"n": 1}\\n{"n": 2}\\n'`} />
    <${Copyable} label="the flotilla command" text=${`flotilla submit items.csv --job-type echo --watch${flag} --server ${server}`} />
  <//>`;
}
