// How items of a batch failed, by what the errors mean.
import { html } from "../../lib/html.js";
import { count, percent, plural } from "../../lib/format.js";
import { useResource } from "../../lib/hooks.js";
import { link } from "../../lib/router.js";
import { actionsOf } from "../../lib/states.js";
import { retry } from "../../components/actions.js";
import { Empty, Loaded } from "../../components/basics.js";
import { Icon } from "../../components/icons.js";
import { sayError } from "../../components/toast.js";

export function Errors({ api, batch, reload }) {
  const resource = useResource(`${batch.id} ${batch.state}`, (signal) => api.part(batch.id, "errors", {}, signal), { keep: true });
  const again = async (group) => {
    try {
      if (!(await retry(api, batch.id, { fingerprint: group.fingerprint }, `All that failed like this: ${group.sample}`))) return;
      await Promise.all([reload(), resource.reload()]);
    } catch (error) {
      sayError(error);
    }
  };
  const may = actionsOf(batch).includes("retry");
  return html`<${Loaded} resource=${resource}>${({ failed, errors }) =>
    errors.length === 0
      ? html`<${Empty} title="No item has failed"><p>Errors that mean the same are shown together here.</p><//>`
      : html`<ul class="groups">${errors.map((group) => html`<li key=${group.fingerprint}>
          <div class="share"><b class="num">${count(group.count)}</b><small class="num">${percent(group.count, failed)}</small></div>
          <p class="error">${group.sample}</p>
          <div class="actions">
            ${group.fingerprint !== "other" && html`<a class="button" href=${link(["dead-letters"], { batch: batch.id, fingerprint: group.fingerprint })}>Show ${plural(group.count, "item")}</a>`}
            ${may && group.fingerprint !== "other" && html`<button data-retry=${group.fingerprint} onClick=${() => again(group)}><${Icon} name="retrying" />Retry group</button>`}
          </div>
        </li>`)}</ul>`}<//>`;
}
