// What a batch was asked to be, what follows on it, when it goes, and whether it adds up.
import { html, useState } from "../../lib/html.js";
import { absolute, count, duration, plural } from "../../lib/format.js";
import { useResource } from "../../lib/hooks.js";
import { link } from "../../lib/router.js";
import { hasEnded } from "../../lib/states.js";
import { Card, Facts, Json, Problem } from "../../components/basics.js";
import { Icon } from "../../components/icons.js";

const seconds = (s) => (s === null || s === undefined ? null : duration(s * 1_000));
const when = (time) => time && absolute(time);

export const Details = ({ api, batch }) => html`<div class="two">
  <${Card} title="Options"><${Facts} of=${[
    ["Id", html`<code>${batch.id}</code>`],
    ["Job type", batch.job_type],
    ["Start", batch.start],
    ["Attempts per item", batch.max_attempts],
    ["Timeout per attempt", seconds(batch.timeout_s)],
    ["Deadline", when(batch.deadline)],
    ["Canary", batch.canary && plural(batch.canary, "item")],
    ["Failure threshold", batch.failure_threshold && threshold(batch.failure_threshold)],
    ["Deduplicates within", seconds(batch.deduplicate_s)],
    ["Skipped at upload", batch.skipped ? count(batch.skipped) : null],
    ["Metadata", batch.metadata && html`<${Json} value=${batch.metadata} label="metadata" />`],
  ]} /><//>
  <div>
    <${Card} title="Expiry"><${Facts} of=${expiry(batch)} /><//>
    ${batch.on_complete && html`<${Card} title="Follow-up"><${FollowUp} api=${api} batch=${batch} /><//>`}
    <${Card} title="Audit"><${Audit} api=${api} batch=${batch} /><//>
  </div>
</div>`;

const threshold = ({ count: most, percent, min_sample, action }) =>
  `${[most !== null && `more than ${plural(most, "failed item")}`, percent !== null && `more than ${percent} % of ${min_sample} or more`].filter(Boolean).join(", or ")}: ${action}`;

function expiry({ expires_at, part_expires_at: parts, retention, expired, archived }) {
  const part = (name, key) => [name, expired.includes(key) ? "removed" : when(parts[key]) || (retention[`${key}_s`] !== null ? `${seconds(retention[`${key}_s`])} after its end` : null)];
  const all = when(expires_at) || (retention.results_s !== null ? `${seconds(retention.results_s)} after its end` : "when somebody deletes it");
  return [["The batch", all], part("Inputs", "inputs"), part("Outputs", "outputs"), part("Files", "artifacts"), part("Dead letters", "dead_letters"), ["Archive", archived ? "written" : null]];
}

function FollowUp({ api, batch }) {
  const result = useResource(`${batch.id} ${batch.revision}`, (signal) => (hasEnded(batch) ? api.part(batch.id, "result", {}, signal) : null));
  const became = result.data?.on_complete;
  return html`<${Facts} of=${[
    ["Job type", batch.on_complete.job_type],
    ["When", { success: "if no item failed", complete: "however it ends", failed: "if something failed" }[batch.on_complete.on]],
    ["State", became ? (became.batch_id ? html`<a href=${link(["batches", became.batch_id])}>${became.state}</a>` : became.state) : hasEnded(batch) ? "not called for" : "after its end"],
    ["Output", became?.output && html`<${Json} value=${became.output} label="output of the follow-up" />`],
    ["Error", became?.error?.message],
  ]} />`;
}

function Audit({ api, batch }) {
  const [state, setState] = useState({});
  const run = async () => {
    setState({ busy: true });
    try {
      setState({ audit: await api.part(batch.id, "audit") });
    } catch (error) {
      setState({ error });
    }
  };
  const { audit, error, busy } = state;
  return html`<p class="muted">Counts the rows of this batch again and compares them with its counters and its result.</p>
    <button onClick=${run} disabled=${busy}>${busy ? "Counting …" : "Count again"}</button>
    <div aria-live="polite">${error && html`<${Problem} error=${error} />`}
      ${audit && html`<p class=${`banner ${audit.adds_up ? "good" : "bad"}`}><${Icon} name=${audit.adds_up ? "succeeded" : "warn"} />${audit.adds_up ? `It adds up: ${plural(audit.rows.items, "item")}, ${count(audit.rows.succeeded + audit.rows.failed + audit.rows.cancelled)} outcomes.` : "It does not add up. Please report this."}</p>
      <ul>${audit.findings.map((finding) => html`<li key=${finding.what}>${finding.what}: expected ${count(finding.expected)}, found ${count(finding.found)}</li>`)}</ul>`}
    </div>`;
}
