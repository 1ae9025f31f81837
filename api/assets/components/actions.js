// What can be done with a batch, with the questions that come first.
import { html, useState } from "../lib/html.js";
import { count, plural, title } from "../lib/format.js";
import { actionsOf, hasEnded } from "../lib/states.js";
import { ask } from "./dialog.js";
import { Icon } from "./icons.js";
import { say, sayError } from "./toast.js";

const WORDS = {
  seal: ["Seal", "Sealed: it starts"],
  run: ["Run now", "Started"],
  pause: ["Pause", "Paused"],
  resume: ["Resume", "Resumed"],
  retry: ["Retry failed", "Runs again"],
  cancel: ["Cancel", "Cancelled"],
};
/** What the buttons say. */
export const NAMES = Object.fromEntries(Object.entries(WORDS).map(([action, [name]]) => [action, name]));
const ICONS = { seal: "succeeded", run: "processing", pause: "paused", resume: "processing", retry: "retrying", cancel: "cancelled" };

const unfinished = ({ counts }) => counts.total - counts.succeeded - counts.failed - counts.cancelled;

const confirmCancel = (batch) =>
  ask({
    title: `Cancel ${title(batch)}?`,
    text: `${plural(unfinished(batch), "item")} will never run, and those that run now are stopped. What has ended stays.`,
    yes: "Cancel the batch",
    danger: true,
  });

/** Items run again after somebody has seen how many they are. */
export async function retry(api, id, which, what) {
  const { items } = await api.act(id, "retry", { ...which, dry_run: true });
  if (items === 0) return say("There is nothing to run again");
  const sure = await ask({
    title: `Run ${plural(items, "item")} again?`,
    text: `${what} They get as many attempts as new items.`,
    yes: `Retry ${count(items)}`,
  });
  if (!sure) return false;
  const done = await api.act(id, "retry", which);
  say(`${plural(done.items, "item")} run again`);
  return true;
}

/** Does it, and says so. Answers whether anything was done. */
export async function act(api, batch, action) {
  try {
    if (action === "cancel" && !(await confirmCancel(batch))) return false;
    if (action === "retry") return Boolean(await retry(api, batch.id, {}, `All that failed in ${title(batch)}.`));
    await api.act(batch.id, action);
    say(`${WORDS[action][1]}: ${title(batch)}`);
    return true;
  } catch (error) {
    sayError(error);
    return false;
  }
}

/** Buttons for what can be done now. `small`: glyphs with hidden words, for lists. */
export function Actions({ api, batch, done, small, children }) {
  const [busy, setBusy] = useState(null);
  const click = async (action) => {
    setBusy(action);
    if (await act(api, batch, action)) await done();
    setBusy(null);
  };
  const button = (action) => html`<button
    key=${action} class=${`${small ? "quiet glyph" : ""} ${action === "cancel" && !small ? "warns" : ""}`} disabled=${busy !== null}
    aria-label=${small ? `${WORDS[action][0]}: ${title(batch)}` : null} title=${small ? WORDS[action][0] : null} data-action=${action}
    onClick=${() => click(action)}><${Icon} name=${ICONS[action]} />${!small && WORDS[action][0]}</button>`;
  return html`<div class="actions">${actionsOf(batch).map(button)}${children}</div>`;
}

/** The same action on many. */
export async function actOnAll(api, batches, action) {
  const possible = batches.filter((batch) => actionsOf(batch).includes(action));
  const word = WORDS[action][0];
  if (possible.length === 0) return say(`None of the selected batches can be changed like that (${word.toLowerCase()})`, "error");
  const items = possible.reduce((all, batch) => all + (action === "retry" ? batch.counts.failed : unfinished(batch)), 0);
  const sure = await ask({
    title: `${word}: ${plural(possible.length, "batch", "batches")}?`,
    text: `This concerns ${plural(items, "item")}: ${possible.slice(0, 5).map(title).join(", ")}${possible.length > 5 ? ", …" : "."}`,
    yes: `${word} ${possible.length}`,
    danger: action === "cancel",
  });
  if (!sure) return false;
  const answers = await Promise.allSettled(possible.map((batch) => api.act(batch.id, action)));
  const refused = answers.filter(({ status }) => status === "rejected");
  say(`${WORDS[action][1]}: ${plural(possible.length - refused.length, "batch", "batches")}`);
  if (refused.length) sayError(refused[0].reason);
  return true;
}

export async function remove(api, batch) {
  const tail = batch.id.slice(-6);
  const running = hasEnded(batch) ? "" : " It has not ended: what runs is stopped.";
  const sure = await ask({
    title: `Delete ${title(batch)}?`,
    text: `Its ${plural(batch.counts.total, "item")}, results, files and dead letters are gone for good.${running}`,
    yes: "Delete for good",
    danger: true,
    typed: tail,
  });
  if (!sure) return false;
  try {
    await api.remove(batch.id, !hasEnded(batch));
    say(`Deleted: ${title(batch)}`);
    return true;
  } catch (error) {
    sayError(error);
    return false;
  }
}
