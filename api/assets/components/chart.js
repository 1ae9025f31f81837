// Lines over time. uPlot draws them on a canvas; the number beside a chart says the same in words.
import { html, useEffect, useRef } from "../lib/html.js";
import uPlot from "../vendor/uplot.js";
import { compact } from "../lib/format.js";

/** A chart shows a minute at least, and no steps that a clock does not have. */
const SPAN_S = 60;
const STEPS_S = [5, 10, 15, 30, 60, 120, 300, 600];
const TIME = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const clock = (s) => TIME.format(new Date(s * 1_000));

const colour = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();

/** The value of a custom property as the canvas understands it. */
function resolved(element, name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function options(element, { height, axes, tint }) {
  const line = resolved(element, tint);
  const grid = { stroke: resolved(element, "--line"), width: 1 };
  const axis = { stroke: resolved(element, "--muted"), grid, ticks: { show: false }, font: `11px ${colour(element, "--sans")}` };
  return {
    width: Math.max(40, element.clientWidth),
    height,
    legend: { show: false },
    cursor: { show: false },
    padding: axes ? [8, 8, 0, 0] : [3, 0, 3, 0],
    scales: { x: { range: (_, low, high) => [Math.min(low, high - SPAN_S), high] }, y: { range: (_, _low, high) => [0, Math.max(1, (high || 0) * 1.1)] } },
    axes: axes
      ? [{ ...axis, grid: { show: false }, space: 80, values: (_, ticks) => ticks.map(clock), incrs: STEPS_S }, { ...axis, size: 44, space: 34, values: (_, ticks) => ticks.map((n) => (n < 10 ? String(+n.toFixed(2)) : compact(n))) }]
      : [{ show: false }, { show: false }],
    series: [{}, { stroke: line, width: 1.5, fill: line.replace(/^rgb\((.*)\)$/, "rgba($1, 0.12)"), points: { show: false }, spanGaps: true }],
  };
}

/** `data` is `[times in s, values]`; `label` says what it shows. */
export function Chart({ data, label, height = 160, axes = true, tint = "--accent" }) {
  const element = useRef(null);
  const plot = useRef(null);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const node = element.current;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(node, { height, axes, tint }), latest.current, node);
    };
    draw();
    const sized = new ResizeObserver(() => plot.current.setSize({ width: node.clientWidth, height }));
    sized.observe(node);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const themed = new MutationObserver(draw);
    scheme.addEventListener("change", draw);
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      sized.disconnect();
      themed.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current.destroy();
      plot.current = null;
    };
  }, [height, axes, tint]);
  useEffect(() => plot.current?.setData(data), [data]);
  return html`<div class="chart" ref=${element} role="img" aria-label=${label} style=${{ height: `${height}px` }}></div>`;
}
