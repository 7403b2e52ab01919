/** What stands in a text for personal data: `<EMAIL_1>` can be put back, `<EMAIL#1f2e3d4c>` cannot. */
export const PLACEHOLDER = /(<[A-Z][A-Z_]*(?:_\d+|#[0-9a-f]{8})>)/;

/** A stretch of a text in clear; `placeholder` is what stood in its place in what was sent. */
export interface Stretch { text: string; placeholder: string | null }

/** The text before, in stretches: what stands the same in the text after, and what a placeholder took the place of.
 *
 * Where the two do not fit together (something was cut out, or masked), the rest is one stretch and nothing is claimed of it.
 */
export function stretches(before: string, after: string): Stretch[] {
  const found: Stretch[] = [];
  const parts = after.split(PLACEHOLDER);
  const first = parts[0] ?? "";
  if (!before.startsWith(first)) return [{ text: before, placeholder: null }];
  if (first !== "") found.push({ text: first, placeholder: null });
  let at = first.length;
  for (let index = 1; index < parts.length; index += 2) {
    const literal = parts[index + 1] ?? "";
    const last = index + 2 >= parts.length;
    const end = literal === "" && !last ? -1 : last ? (before.endsWith(literal) ? before.length - literal.length : -1) : before.indexOf(literal, at);
    if (end < at) return [...found, { text: before.slice(at), placeholder: null }].filter(({ text }) => text !== "");
    found.push({ text: before.slice(at, end), placeholder: parts[index] ?? null });
    if (literal !== "") found.push({ text: literal, placeholder: null });
    at = end + literal.length;
  }
  return at < before.length ? [{ text: before, placeholder: null }] : found;
}
