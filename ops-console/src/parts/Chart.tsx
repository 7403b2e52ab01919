import "uplot/dist/uPlot.min.css";

import { useEffect, useRef } from "react";
import uPlot from "uplot";

interface Props {
  label: string;
  series: readonly { name: string; colour: string; dash?: number[] }[];
  /** Read when drawn: seconds first, then a column for each series. */
  read: () => number[][];
  everyMs?: number;
  height?: number;
  /** The least that the axis reaches to, so that few of something do not look like many. */
  least?: number;
}

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const clock = (seconds: number): string => new Date(seconds * 1_000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Lines over time on a canvas; a hundred thousand points are drawn in a few milliseconds. */
export function Chart({ label, series, read, everyMs = 2_000, height = 190, least = 4 }: Props) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const at = box.current;
    if (at === null) return;
    const axis = { stroke: () => css("--ink-3"), grid: { stroke: () => css("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const plot = new uPlot({
      width: at.clientWidth, height, cursor: { drag: { setScale: false } }, legend: { show: false },
      scales: { y: { range: (_, __, most) => [0, Math.max(least, most * 1.1)] } },
      axes: [{ ...axis, space: 80, values: (_, splits) => splits.map(clock) }, { ...axis, size: 44 }],
      series: [{}, ...series.map((each) => ({ label: each.name, stroke: () => css(each.colour), width: 2, points: { show: false }, ...(each.dash === undefined ? {} : { dash: each.dash }) }))],
    }, read() as uPlot.AlignedData, at);
    const timer = setInterval(() => plot.setData(read() as uPlot.AlignedData), everyMs);
    const resized = new ResizeObserver(() => plot.setSize({ width: at.clientWidth, height }));
    resized.observe(at);
    return () => {
      clearInterval(timer);
      resized.disconnect();
      plot.destroy();
    };
  }, [series, read, everyMs, height, least]);
  return (
    <figure className="p-3">
      <div ref={box} role="img" aria-label={label} />
      <figcaption className="mt-1 flex flex-wrap gap-4 px-2 text-sm text-ink-2">
        {series.map((each) => (
          <span key={each.name} className="flex items-center gap-1.5">
            <svg viewBox="0 0 20 4" className="h-1 w-5" aria-hidden="true"><line x1="0" x2="20" y1="2" y2="2" stroke={`var(${each.colour})`} strokeWidth="3" {...(each.dash === undefined ? {} : { strokeDasharray: each.dash.join(" ") })} /></svg>
            {each.name}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
