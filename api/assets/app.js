// The page: finds the view for where it is.
import { render } from "./vendor/preact.js";
import { html, useEffect, useMemo } from "./lib/html.js";
import { apiOf } from "./lib/api.js";
import { useRoute } from "./lib/hooks.js";
import { live } from "./lib/live.js";
import { link, spaceOf } from "./lib/router.js";
import { Empty } from "./components/basics.js";
import { Dialogs } from "./components/dialog.js";
import { Keys } from "./components/keys.js";
import { Shell } from "./components/shell.js";
import { Toasts } from "./components/toast.js";
import { BatchPage } from "./views/batch.js";
import { Batches } from "./views/batches.js";
import { DeadLetterPage, DeadLetters } from "./views/dead_letters.js";
import { ItemPage } from "./views/item.js";
import { JobTypes } from "./views/job_types.js";
import { NewBatch } from "./views/new_batch.js";
import { Overview } from "./views/overview.js";
import { Workers } from "./views/workers.js";

const Nowhere = () => html`<h1>Nothing here</h1><${Empty} title="There is no such page"><p><a href=${link([])}>Back to the overview</a></p><//>`;

/** Its component and its title. */
function viewOf([place = "overview", id, part, index]) {
  if (place === "overview") return [Overview, "Overview"];
  if (place === "batches" && part === "items" && index) return [ItemPage, `Item ${index}`];
  if (place === "batches") return id ? [BatchPage, "Batch"] : [Batches, "Batches"];
  if (place === "dead-letters") return part ? [DeadLetterPage, "Dead letter"] : [DeadLetters, "Dead letters"];
  if (place === "workers") return [Workers, "Workers"];
  if (place === "job-types") return [JobTypes, "Job types"];
  if (place === "new") return [NewBatch, "New batch"];
  return [Nowhere, "Nothing here"];
}

function App() {
  const route = useRoute();
  const space = spaceOf(route);
  const api = useMemo(() => apiOf(space), [space]);
  const [View, title] = viewOf(route.path);
  useEffect(() => live.open(space), [space]);
  useEffect(() => {
    document.title = `${title} · Flotilla`;
    scrollTo(0, 0);
  }, [route.path.slice(0, 2).join("/"), title]);
  return html`<${Shell} route=${route}><${View} key=${space} api=${api} route=${route} /><//><${Dialogs} /><${Toasts} /><${Keys} />`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
