// One item: what it was given, what became of it, and every attempt.
import { html } from "../lib/html.js";
import { bytes, count, duration, shortId } from "../lib/format.js";
import { useResource } from "../lib/hooks.js";
import { link } from "../lib/router.js";
import { retry } from "../components/actions.js";
import { Attempts } from "../components/attempts.js";
import { Card, Facts, Json, Loaded, Time } from "../components/basics.js";
import { Icon } from "../components/icons.js";
import { State } from "../components/state.js";
import { sayError } from "../components/toast.js";

const ENDED = ["succeeded", "failed", "cancelled"];

export function ItemPage({ api, route }) {
  const [, id, , index] = route.path;
  const item = useResource(`${id} ${index}`, (signal) => api.part(id, `items/${index}`, {}, signal));
  return html`<${Loaded} resource=${item}>${(data) => html`<${Item} api=${api} id=${id} item=${data} reload=${item.reload} />`}<//>`;
}

function Item({ api, id, item, reload }) {
  const again = async () => {
    try {
      const which = { indices: [item.index], states: ENDED };
      if (await retry(api, id, which, `Item ${item.index} of this batch.`)) await reload();
    } catch (error) {
      sayError(error);
    }
  };
  return html`<p class="crumbs"><a href=${link(["batches"])}>Batches</a> / <a href=${link(["batches", id])}>${shortId(id)}</a> / item ${item.index}</p>
    <div class="head">
      <div><h1>Item ${count(item.index)}${item.custom_id && html` <small>${item.custom_id}</small>`}</h1>
        <p class="sub"><${State} name=${item.state} />${item.finished_at && html`<span>ended <${Time} at=${item.finished_at} /></span>`}
          ${item.duration_ms !== null && html`<span class="num">took ${duration(item.duration_ms)}</span>`}</p></div>
      <div class="actions">
        <a class="button" href=${item.index > 0 ? link(["batches", id, "items", String(item.index - 1)]) : null} aria-disabled=${item.index === 0 ? "true" : null}><${Icon} name="back" />Previous</a>
        <a class="button" href=${link(["batches", id, "items", String(item.index + 1)])}>Next<${Icon} name="next" /></a>
        ${ENDED.includes(item.state) && html`<button onClick=${again}><${Icon} name="retrying" />Run again</button>`}
      </div>
    </div>
    ${item.error && html`<p class="banner bad"><${Icon} name="warn" /><span><b>${item.error.kind}</b> ${item.error.message}</span></p>`}
    ${item.state === "waiting" && html`<${Card} title="Waits for its callback"><${Facts} of=${[
      ["Progress", item.progress !== null && `${item.progress} %`],
      ["Message", item.message],
      ["Until", item.lease_until && html`<${Time} at=${item.lease_until} />`],
      ["Worker", item.worker],
    ]} /><//>`}
    <div class="two">
      <${Card} title="Input"><${Json} value=${item.input} label="input" /><//>
      <${Card} title="Output">${item.output === null ? html`<p class="muted pad">None${ENDED.includes(item.state) ? "" : " yet"}.</p>` : html`<${Json} value=${item.output} label="output" />`}<//>
    </div>
    ${item.artifacts?.length > 0 && html`<${Card} title="Files"><ul class="files">
      ${item.artifacts.map((file) => html`<li key=${file.name}><${Icon} name="file" /><a href=${withSpace(api, file.url)} download>${file.name}</a>
        <span class="muted num">${bytes(file.bytes)} · ${file.media_type}</span></li>`)}
    </ul><//>`}
    <${Card} title="Attempts" aside=${html`<span class="muted num">${item.attempts} of ${item.last_attempt}${item.losses ? ` · ${item.losses} workers lost with it` : ""}</span>`}>
      ${item.attempts > 0 || item.history.length ? html`<${Attempts} item=${item} />` : html`<p class="muted pad">It has not been attempted.</p>`}
    <//>`;
}

/** Files are of the space, too. */
const withSpace = (api, url) => (url.includes("?") ? url : `${url}?${new URLSearchParams({ space: api.space })}`);
