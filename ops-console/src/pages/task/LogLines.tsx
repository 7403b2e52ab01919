import { exact } from "../../parts/format";

/** A line that an agent logged, as it is sealed in the log. */
interface Own { at: string; level: string; text: string; fields: Record<string, string> }

const TONE: Record<string, string> = { warning: "text-hold", error: "text-fail", debug: "text-ink-3" };

/** What an agent logged, in clear. */
export function LogLines({ lines }: { lines: unknown }) {
  if (!Array.isArray(lines)) return <p>{typeof lines === "object" && lines !== null && "erased" in lines ? "Its data were erased." : "Not readable as lines."}</p>;
  return (
    <ol className="space-y-0.5 font-mono text-sm" aria-label="The agent's own lines">
      {(lines as Own[]).map((line, at) => (
        <li key={at} className="break-words">
          <time className="text-ink-3" dateTime={line.at} title={exact(line.at)}>{line.at.slice(11, 23)}</time>{" "}
          <span className={TONE[line.level] ?? ""}>{line.level}</span> {line.text}
          {Object.entries(line.fields).map(([name, value]) => <span key={name} className="text-ink-3"> {name}={value}</span>)}
        </li>
      ))}
    </ol>
  );
}

export const toneOf = (level: string): string => TONE[level] ?? "";
