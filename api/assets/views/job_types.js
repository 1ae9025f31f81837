// What a batch can ask for.
import { html } from "../lib/html.js";
import { duration, rate } from "../lib/format.js";
import { useResource } from "../lib/hooks.js";
import { link } from "../lib/router.js";
import { Card, Empty, Facts, Json, Loaded } from "../components/basics.js";

const seconds = (s) => (s === null ? null : duration(s * 1_000));

export function JobTypes({ api }) {
  const resource = useResource("job types", (signal) => api.jobTypes(signal), { period: 60_000 });
  return html`<h1>Job types</h1><p class="note">They are defined in flotilla.toml, on the machines that run the API and the workers.</p>
    <${Loaded} resource=${resource}>${({ job_types: types }) =>
      types.length === 0
        ? html`<${Empty} title="There are no job types"><p>Add one to flotilla.toml and start again.</p><//>`
        : html`<div class="cards">${types.map((type) => html`<${JobType} key=${type.name} type=${type} />`)}</div>`}<//>`;
}

const JobType = ({ type }) => html`<${Card} title=${type.name} aside=${html`<span class="chip">${type.handler}</span>`}>
  <${Facts} of=${[
    ["Pool", type.pool],
    ["Timeout per attempt", seconds(type.timeout_s)],
    ["Attempts", type.max_attempts],
    ["Callback within", seconds(type.callback_timeout_s)],
    ["At most at once", type.concurrency],
    ["At most", type.rate_per_s && rate(type.rate_per_s)],
  ]} />
  ${type.schema && html`<details class="schema"><summary>Schema of an item</summary><${Json} value=${type.schema} label=${`schema of ${type.name}`} /></details>`}
  <footer><a class="button" href=${link(["new"], { job_type: type.name })}>New batch</a></footer>
<//>`;
