/** `name: value` in each line; a line without both says nothing. */
export function labelsOf(text: string): Record<string, string> {
  const pairs = text.split("\n").map((line) => line.split(":")).map(([name = "", ...rest]) => [name.trim(), rest.join(":").trim()] as const);
  return Object.fromEntries(pairs.filter(([name, value]) => name !== "" && value !== ""));
}

/** The same as somebody edits it. */
export const labelLines = (labels: Record<string, string>): string => Object.entries(labels).map(([name, value]) => `${name}: ${value}`).join("\n");
