import { Link } from "@tanstack/react-router";

/** The parts of a page, each with an address of its own. */
export function Tabs({ to, label, tabs, current }: { to: "/models" | "/policy" | "/packs"; label: string; tabs: Readonly<Record<string, string>>; current: string }) {
  return (
    <nav aria-label={label} className="mb-4 border-b border-line">
      <ul className="-mb-px flex flex-wrap gap-x-5">
        {Object.entries(tabs).map(([tab, name]) => (
          <li key={tab}>
            <Link to={to} search={{ tab }} aria-current={tab === current ? "page" : undefined} activeOptions={{ exact: true, includeSearch: true }}
              className={`block border-b-2 px-0.5 py-2 font-medium no-underline ${tab === current ? "border-accent text-accent" : "border-transparent text-ink-2 hover:text-ink"}`}>
              {name}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** Which tab the address names; the first one where it names none. */
export function tabOf<T extends string>(tabs: Readonly<Record<T, string>>, named: string | undefined): T {
  const known = Object.keys(tabs) as T[];
  return known.find((tab) => tab === named) ?? (known[0] as T);
}
