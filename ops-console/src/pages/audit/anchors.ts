/** How many anchors one verification takes: the last stands for all before it, the others narrow down where something was replaced. */
const MOST = 500;

/** The lines of a file of anchors, at most as many as a verification takes, evenly chosen, the last one among them. */
export function anchorsIn(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.length <= MOST ? lines : Array.from({ length: MOST }, (_, at) => lines[Math.floor(((at + 1) * lines.length) / MOST) - 1] ?? "");
}

/** Where the newest anchor is kept outside, and up to which event; null where nothing is anchored. */
export function lastAnchor(anchors: readonly { place: string; anchored: number }[]): { place: string; anchored: number } | null {
  return anchors.reduce<{ place: string; anchored: number } | null>((last, each) => (each.anchored > (last?.anchored ?? 0) ? each : last), null);
}
