/** A part of what was said to a model or by it, or of what a tool was given or gave: who or what, and the text. */
export interface Said { who: string; text: string }

/** A neutral model request, a model's answer, or named values as what a person reads. Nothing is left out: what has no place of its own is named. */
export function saidIn(value: unknown): Said[] {
  if (typeof value !== "object" || value === null) return [{ who: "value", text: spelled(value) }];
  const { system, messages, parts, tools, ...rest } = value as Record<string, unknown>;
  if (Array.isArray(messages)) {
    return [
      ...(typeof system === "string" ? [{ who: "system", text: system }] : []),
      ...messages.flatMap((message: unknown) => turn(message)),
      ...(Array.isArray(tools) && tools.length > 0 ? [{ who: "tools", text: tools.map((tool: unknown) => String((tool as { name?: unknown }).name)).join(", ") }] : []),
      ...settings(rest),
    ];
  }
  if (Array.isArray(parts)) return [...parts.map((part: unknown) => partOf("model", part)), ...settings(rest)];
  return Object.entries(value).map(([who, inner]) => ({ who, text: spelled(inner) }));
}

function turn(message: unknown): Said[] {
  const { role, parts } = message as { role?: unknown; parts?: unknown };
  return Array.isArray(parts) ? parts.map((part: unknown) => partOf(String(role), part)) : [{ who: String(role), text: spelled(message) }];
}

function partOf(who: string, part: unknown): Said {
  const fields = part as Record<string, unknown>;
  switch (fields["type"]) {
    case "text":
      return { who, text: String(fields["text"]) };
    case "thinking":
      return { who: `${who}, thinking`, text: fields["text"] === "" ? "not shown by its provider" : String(fields["text"]) };
    case "tool_call":
      return { who: `${who} asks for ${String(fields["name"])}`, text: spelled(fields["arguments"]) };
    case "tool_result":
      return { who: `${String(fields["name"])} answered`, text: String(fields["content"]) };
    case "image":
      return { who, text: typeof fields["url"] === "string" ? `image at ${fields["url"]}` : "an image" };
    default:
      return { who, text: spelled(part) };
  }
}

/** Whatever else was set, in a line. */
function settings(rest: Record<string, unknown>): Said[] {
  const set = Object.entries(rest).filter(([name, value]) => name !== "kind" && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0));
  return set.length === 0 ? [] : [{ who: "settings", text: set.map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(" · ") }];
}

function spelled(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
