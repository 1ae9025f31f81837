// What a batch is asked to be.
import { html } from "../../lib/html.js";

export const EMPTY = { job_type: "", name: "", concurrency: "", rate_per_s: "", start: "auto", on_invalid: "refuse" };

const local = (time) => new Date(time).toISOString().replace(/\.\d+Z$/, "Z");

export function Options({ form, change, types, inFile }) {
  const text = (name) => (event) => change({ [name]: event.target.value });
  const number = (name) => (event) => change({ [name]: event.target.value === "" ? "" : Number(event.target.value) });
  const later = !["auto", "manual"].includes(form.start);
  const invalid = html`<label>Items that can't be taken <select name="on_invalid" value=${form.on_invalid} onChange=${text("on_invalid")}>
    <option value="refuse">refuse the whole file</option><option value="skip">leave them out, list them</option></select></label>`;
  if (inFile) return html`<p class="muted pad">This file has its own options.</p><div class="options">${invalid}</div>`;
  return html`<div class="options">
    <label>Job type <select name="job_type" required value=${form.job_type} onChange=${text("job_type")}>
      ${types.map(({ name, handler }) => html`<option key=${name} value=${name}>${name} (${handler})</option>`)}</select></label>
    <label>Name <input name="name" maxlength="200" value=${form.name} onInput=${text("name")} /></label>
    <label>Concurrency <input type="number" name="concurrency" min="1" step="1" placeholder="no limit" value=${form.concurrency} onInput=${number("concurrency")} /></label>
    <label>Items per second <input type="number" name="rate_per_s" min="0.001" step="any" placeholder="no limit" value=${form.rate_per_s} onInput=${number("rate_per_s")} /></label>
    ${invalid}
    <label>Start <select name="start" value=${later ? "later" : form.start}
        onChange=${({ target }) => change({ start: target.value === "later" ? local(Date.now() + 3_600_000) : target.value })}>
      <option value="auto">as soon as it is stored</option><option value="manual">when somebody says so</option><option value="later">at a time</option></select></label>
    ${later && html`<label>Not before (UTC) <input type="datetime-local" name="start_at" required value=${form.start.slice(0, 16)}
      onInput=${({ target }) => target.value && change({ start: `${target.value}:00Z` })} /></label>`}
  </div>`;
}
