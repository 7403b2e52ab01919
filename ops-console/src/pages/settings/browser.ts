const BROWSERS: [RegExp, string][] = [[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrom(e|ium)\//, "Chrome"], [/Safari\//, "Safari"]];
const SYSTEMS: [RegExp, string][] = [[/Android/, "Android"], [/iPhone|iPad/, "iOS"], [/Windows/, "Windows"], [/Mac OS X/, "macOS"], [/CrOS/, "ChromeOS"], [/Linux/, "Linux"]];

/** What a browser calls itself, in the two words that a person tells browsers apart by; others as they are. */
export function browserOf(agent: string): string {
  const of = (known: [RegExp, string][]): string | undefined => known.find(([sign]) => sign.test(agent))?.[1];
  const browser = of(BROWSERS);
  if (browser === undefined) return agent.slice(0, 60) || "an unknown browser";
  const system = of(SYSTEMS);
  return system === undefined ? browser : `${browser} on ${system}`;
}
