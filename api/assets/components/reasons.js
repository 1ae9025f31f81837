// Why a batch does not move: each reason with what can be done about it.
import { html, useState } from "../lib/html.js";
import { absolute, ago, plural, sentence } from "../lib/format.js";
import { useNow, useResource } from "../lib/hooks.js";
import { heading, isCalm, wordsOf } from "../lib/reasons.js";
import { link } from "../lib/router.js";
import { act, NAMES } from "./actions.js";
import { Icon } from "./icons.js";

/** More often than the page: most reasons are about moments. */
const PERIOD_MS = 2_000;
/** What is due within this time is due. */
const NOW_MS = 1_500;

export function Reasons({ api, batch, reload }) {
  const key = `${batch.id} ${batch.state} ${batch.concurrency} ${batch.rate_limit_per_s}`;
  const { data, error } = useResource(key, (signal) => api.part(batch.id, "explain", {}, signal), { keep: true, period: PERIOD_MS });
  if (error && !data) return html`<p class="why">${error.message}</p>`;
  return html`<div class="reasons"><h2>${heading(batch)}</h2>
    <ul>${(data?.reasons || []).map((reason) => html`<${Reason} key=${reason.code} api=${api} batch=${batch} reason=${reason} reload=${reload} />`)}</ul>
  </div>`;
}

function Reason({ api, batch, reason, reload }) {
  const words = wordsOf(reason.code);
  const calm = isCalm(reason.code);
  return html`<li class=${calm ? "calm" : "holds"} data-reason=${reason.code}>
    <${Icon} name=${words.icon} />
    <div><p><b>${words.headline}</b> · <span class="num">${plural(reason.count, "item")}</span></p>
      <p><span class="why">${sentence(reason.detail)}.</span> ${words.help} ${reason.until && html`<${Next} words=${words.next} at=${reason.until} />`}</p></div>
    <${Remedy} api=${api} batch=${batch} words=${words} calm=${calm} reload=${reload} />
  </li>`;
}

/** When it goes on by itself, counted down. */
function Next({ words, at }) {
  const now = useNow(1_000);
  if (Date.parse(at) - now < NOW_MS) return null;
  return html`${words || "It goes on"} <time class="num" datetime=${at} title=${absolute(at)}>${ago(at, now)}</time>.`;
}

function Remedy({ api, batch, words, calm, reload }) {
  const [busy, setBusy] = useState(false);
  const click = async () => {
    setBusy(true);
    if (await act(api, batch, words.act)) await reload();
    setBusy(false);
  };
  if (words.act) return html`<button class="primary" disabled=${busy} onClick=${click}>${NAMES[words.act]}</button>`;
  if (words.limit) return html`<button onClick=${() => document.getElementById(words.limit).focus()}>Change the limit</button>`;
  if (words.to) return html`<a class=${calm ? null : "button"} href=${link(words.to.path(batch), words.to.query)}>${words.to.name}</a>`;
  return null;
}

/** The first reason in one line, for lists. */
export const Gist = ({ reason }) => html`<p class="why"><b>${wordsOf(reason.code).headline}</b>: ${sentence(reason.detail)}</p>`;
