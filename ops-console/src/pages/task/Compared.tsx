import type { ReactNode } from "react";

import type { EventRow } from "../../api/rows";
import { Mark, Marked } from "../../parts/Marked";
import { stretches } from "../../parts/placeholders";
import { Reveal } from "./Reveal";
import { type Said, saidIn } from "./said";

type Data = Record<string, unknown>;
interface Entity { entity: string; placeholder: string; operator?: string }

/** What was asked before and after redaction, side by side, and the answer likewise. What is sealed opens for a reason that the log keeps. */
export function Compared({ events }: { events: EventRow[] }) {
  const of = (...facts: string[]) => events.find((event) => facts.some((fact) => event.type.endsWith(`.${fact}`)));
  const asked = of("requested", "received");
  const decided = of("decided");
  const settled = of("settled");
  if (asked === undefined) return null;
  const tool = asked.type.startsWith("tool.");
  const ruling = (decided?.data ?? {}) as Data;
  const sent = ruling[tool ? "redacted_arguments" : "redacted_request"] ?? null;
  const after = sent === null ? [] : saidIn(sent);
  const end = (settled?.data ?? {}) as Data;
  const field = tool ? "result" : "response";
  return (
    <div className="space-y-5 border-b border-line p-4">
      <section aria-label={tool ? "Arguments" : "Prompt"}>
        <h3 className="mb-2">{tool ? "Arguments" : "Prompt"}</h3>
        <Sides>
          <Side title="Before redaction">
            <Reveal event={asked.subject} fields={[tool ? "arguments" : "request"]} show={({ value }) => <Lines lines={saidIn(value)} against={after} />} />
          </Side>
          <Side title={tool ? "As an approver sees it; the tool is given the original" : ruling["verdict"] === "deny" ? "After redaction; policy let none of it out" : "After redaction, as the provider is sent it"}>
            {decided === undefined ? <p className="text-ink-3">Policy has not decided yet.</p> : sent === null ? <p className="text-ink-3">The decision holds none of it.</p> : <Lines lines={after} />}
            <Replaced entities={(ruling["entities"] ?? []) as Entity[]} decided={decided !== undefined} />
          </Side>
        </Sides>
      </section>
      {settled !== undefined && (
        <section aria-label="Answer">
          <h3 className="mb-2">{tool ? "Result" : "Answer"}</h3>
          {end[field] === null || end[field] === undefined ? <p className="text-ink-3">None came: {String(end["outcome"])}.</p> : (
            <Reveal event={settled.subject} fields={[field]} show={({ value, restored }) => {
              const given = saidIn(value);
              return (
                <Sides>
                  <Side title={tool ? "As the tool gave it" : "As the provider gave it"}><Lines lines={given} /></Side>
                  {!tool && <Side title="As the agent read it, the placeholders put back">{restored === undefined ? <p className="text-ink-3">Nothing was replaced: it read the same.</p> : <Lines lines={saidIn(restored)} against={given} />}</Side>}
                </Sides>
              );
            }} />
          )}
        </section>
      )}
    </div>
  );
}

function Sides({ children }: { children: ReactNode }) {
  return <div className="grid items-start gap-3 lg:grid-cols-2">{children}</div>;
}

function Side({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="min-w-0 space-y-2" aria-label={title}>
      <h4 className="text-sm font-semibold text-ink-3">{title}</h4>
      {children}
    </section>
  );
}

/** What was said, a part at a time. `against` is the same after redaction: what a placeholder took the place of is marked. */
function Lines({ lines, against }: { lines: Said[]; against?: Said[] }) {
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must take the focus
    <dl tabIndex={0} aria-label="What was said" role="group" className="max-h-[28rem] overflow-auto rounded-md border border-line bg-raised">
      {lines.map(({ who, text }, at) => (
        <div key={at} className="border-b border-line px-3 py-2 last:border-b-0">
          <dt className="text-sm font-semibold text-ink-3">{who}</dt>
          <dd>{against === undefined ? <Marked text={text} /> : <Clear text={text} sent={against[at]?.who === who ? against[at].text : text} />}</dd>
        </div>
      ))}
    </dl>
  );
}

function Clear({ text, sent }: { text: string; sent: string }) {
  return (
    <span className="whitespace-pre-wrap break-words">
      {stretches(text, sent).map((part, at) => (part.placeholder === null ? part.text : <Mark key={at} title={`${part.placeholder.slice(1, -1)} stands for it`}>{part.text}</Mark>))}
    </span>
  );
}

const DID: Record<string, string> = { replace: "replaced", mask: "masked", hash: "hashed", drop: "removed", block: "blocked", allow: "let through" };

/** What the redactor found, and what it did: kinds and placeholders, never values. */
function Replaced({ entities, decided }: { entities: Entity[]; decided: boolean }) {
  if (entities.length === 0) return decided ? <p className="text-sm text-ink-3">Nothing personal was found in it.</p> : null;
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-sm text-ink-2" aria-label="What was found and done">
      {entities.map((each, at) => <li key={at}>{each.entity.toLowerCase().replaceAll("_", " ")} {DID[each.operator ?? "replace"] ?? each.operator}{each.placeholder === "" ? "" : <>: <Marked text={each.placeholder} /></>}</li>)}
    </ul>
  );
}
