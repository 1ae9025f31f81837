// What the API says of an upload: what would become of it, or every mistake with its line.
import { html } from "../../lib/html.js";
import { bytes, count, eta, plural } from "../../lib/format.js";
import { Json, Problem } from "../../components/basics.js";
import { Icon } from "../../components/icons.js";

export const Answer = ({ checked, error }) => (checked ? html`<${Checked} ...${checked} />` : html`<${Refused} error=${error} />`);

const Checked = ({ items, skipped, bytes: length, first, estimate }) => html`<section class="card checked">
  <p class="banner good"><${Icon} name="succeeded" /><span><b>${plural(items, "item")}</b>, ${bytes(length)}${skipped ? `; ${count(skipped)} would be left out` : ""}.
    ${estimate && ` It would take ${eta(estimate)}, by the last ${plural(estimate.based_on, "batch", "batches")} of this job type.`} Nothing is stored yet.</span></p>
  ${first !== null && html`<div class="pad"><b>The first item</b><${Json} value=${first} label="first item" /></div>`}
</section>`;

function Refused({ error }) {
  const mistakes = error.problem?.errors || (error.problem?.line ? [{ ...error.problem, detail: error.message }] : []);
  return html`<section class="card"><${Problem} error=${error} />
    ${mistakes.length > 0 && html`<table class="mistakes"><caption>${plural(mistakes.length, "mistake")}${error.problem.errors_truncated ? " and more" : ""}</caption>
      <thead><tr><th class="end">Line</th><th class="end">Item</th><th>Where</th><th>What is wrong</th></tr></thead>
      <tbody>${mistakes.map((mistake, place) => html`<tr key=${place}><td class="end num">${mistake.line ?? "–"}</td><td class="end num">${mistake.item ?? "–"}</td>
        <td><code>${mistake.pointer || "–"}</code></td><td>${mistake.detail}</td></tr>`)}</tbody></table>`}
  </section>`;
}
