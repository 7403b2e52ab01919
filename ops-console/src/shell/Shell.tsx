import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";

import { feed, useConnection } from "../live/live";
import { Badge } from "../parts/Status";
import { useTelling } from "../pages/approvals/notify";
import { usePending } from "../pages/approvals/queries";
import { session, useSession } from "../session/session";
import { Brand } from "./Brand";
import { useKeys } from "./keys";
import { KillBanner } from "./KillBanner";
import { KillDialog } from "./KillDialog";
import { PLACES } from "./places";
import { currentTheme, setTheme, type Theme } from "./theme";
import { Toasts } from "./Toasts";

// Fetched when first asked for. The kill dialog is not: it must open when the gateway's files cannot be had.
const Palette = lazy(async () => ({ default: (await import("./Palette")).Palette }));
const Help = lazy(async () => ({ default: (await import("./Help")).Help }));

type Open = "palette" | "help" | "kill" | null;

export function Shell() {
  const [open, setOpen] = useState<Open>(null);
  const [menu, setMenu] = useState(false);
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const close = (): void => setOpen(null);
  useTelling();
  const name = useSession().signedIn?.name ?? "";

  useKeys({
    "?": () => setOpen("help"),
    "/": () => setOpen("palette"),
    "!": () => setOpen("kill"),
    ...Object.fromEntries(PLACES.map((place) => [`g ${place.key}`, () => void navigate({ to: place.to })])),
  });
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setOpen((now) => (now === "palette" ? null : "palette"));
      }
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);

  return (
    <div className="flex min-h-dvh flex-col">
      <a href="#main" className="sr-only z-50 rounded bg-accent px-3 py-2 text-accent-ink focus:not-sr-only focus:absolute focus:left-2 focus:top-2">Skip to the page</a>
      <header className="sticky top-0 z-30 flex h-13 items-center gap-3 border-b border-line bg-surface px-3 md:px-5">
        <button type="button" className="btn btn-quiet px-2 md:hidden" aria-expanded={menu} aria-controls="places" aria-label="Pages" onClick={() => setMenu(!menu)}>☰</button>
        <Link to="/" className="text-ink no-underline"><Brand /></Link>
        <button type="button" className="btn ml-auto hidden min-w-72 justify-between text-ink-3 md:ml-6 md:mr-auto md:inline-flex" onClick={() => setOpen("palette")}>
          Go to, search, act <span className="kbd">⌘K</span>
        </button>
        <span className="ml-auto md:ml-0"><ConnectionState /></span>
        <ThemeSwitch />
        <button type="button" className="btn btn-quiet hidden px-2 md:inline-flex" aria-label="Keyboard help" onClick={() => setOpen("help")}><span className="kbd">?</span></button>
        <button type="button" className="btn btn-quiet hidden md:inline-flex" title={`Signed in as ${name}`} onClick={() => void session.end()}>Sign out</button>
        <button type="button" className="btn btn-stop font-semibold" onClick={() => setOpen("kill")}>
          <svg viewBox="0 0 24 24" className="size-4" fill="none" stroke="currentColor" strokeWidth="2.6" strokeLinecap="round" aria-hidden="true"><path d={PLACES[3].icon} /></svg>
          Stop
        </button>
      </header>
      <KillBanner />
      <div className="flex flex-1">
        <nav id="places" aria-label="Pages" className={`${menu ? "block" : "hidden"} fixed inset-x-0 top-13 z-20 border-b border-line bg-surface p-2 md:sticky md:block md:h-[calc(100dvh-3.25rem)] md:w-52 md:shrink-0 md:border-b-0 md:border-r`}>
          <Places path={path} onGo={() => setMenu(false)} />
        </nav>
        <main id="main" tabIndex={-1} className="min-w-0 flex-1 outline-none"><Outlet /></main>
      </div>
      <Toasts />
      <Suspense fallback={null}>
        {open === "palette" && <Palette onClose={close} onKill={() => setOpen("kill")} />}
        {open === "help" && <Help onClose={close} />}
      </Suspense>
      {open === "kill" && <KillDialog onClose={close} />}
    </div>
  );
}

function Places({ path, onGo }: { path: string; onGo: () => void }) {
  const pending = usePending();
  const waiting = pending.data?.items.length ?? 0;
  return (
    <ul className="space-y-0.5">
      {PLACES.map((place) => {
        const here = place.to === "/" ? path === "/" : path.startsWith(place.to);
        return (
          <li key={place.to}>
            <Link to={place.to} onClick={onGo} aria-current={here ? "page" : undefined} title={`g ${place.key}`}
              className={`flex items-center gap-2.5 rounded-md px-2.5 py-1.5 font-medium no-underline ${here ? "bg-accent-soft text-accent" : "text-ink-2 hover:bg-raised hover:text-ink"}`}>
              <svg viewBox="0 0 24 24" className="size-4 shrink-0" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true"><path d={place.icon} /></svg>
              {place.name}
              {place.to === "/approvals" && waiting > 0 && (
                <span className="badge badge-hold ml-auto px-2">{waiting >= 200 ? "200+" : waiting}<span className="sr-only"> waiting</span></span>
              )}
            </Link>
          </li>
        );
      })}
    </ul>
  );
}

/** Said aloud only when it changes; how old what is shown may be is for the eye. */
function ConnectionState() {
  const connection = useConnection();
  return (
    <span className="flex items-center gap-1.5">
      <span role="status" aria-live="polite" title={connection === "lost" ? "Trying again; what is missed meanwhile is caught up" : "Events arrive as they happen"}>
        {connection === "live" ? <Badge tone="done">Live</Badge> : connection === "lost" ? <Badge tone="fail">Connection lost<span className="hidden md:inline"> – trying again</span></Badge> : <Badge tone="wait">Connecting</Badge>}
      </span>
      {connection === "lost" && <Age />}
    </span>
  );
}

function Age() {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return <span aria-hidden="true" className="hidden text-sm text-ink-3 md:inline">as of {Math.max(0, Math.round((now - feed.heardAt) / 1_000))} s ago</span>;
}

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const GLYPH: Record<Theme, string> = { system: "◐", light: "☀", dark: "☾" };

function ThemeSwitch() {
  const [theme, set] = useState(currentTheme);
  return (
    <button type="button" className="btn btn-quiet px-2" aria-label={`Theme: ${theme}. Change`} title={`Theme: ${theme}`}
      onClick={() => {
        setTheme(NEXT[theme]);
        set(NEXT[theme]);
      }}>
      <span aria-hidden="true">{GLYPH[theme]}</span>
    </button>
  );
}
