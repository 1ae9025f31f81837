// What every component needs: templates without a build step, and hooks.
import { Fragment, h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { Fragment };
export { useCallback, useEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export const html = htm.bind(h);
