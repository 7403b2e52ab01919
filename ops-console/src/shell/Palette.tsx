import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { useState } from "react";

import { Modal } from "../parts/Modal";
import { session } from "../session/session";
import { PLACES } from "./places";
import { setTheme } from "./theme";

/** ⌘K: every page and act by name, and any id pasted. */
export function Palette({ onClose, onKill }: { onClose: () => void; onKill: () => void }) {
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const wanted = text.trim();
  const act = (does: () => void) => () => {
    onClose();
    does();
  };
  return (
    <Modal title="Go to, search, act" onClose={onClose}>
      <Command label="Go to, search, act" loop filter={fits}>
        <Command.Input className="field" placeholder="A page, an act, or a task's id" value={text} onValueChange={setText} />
        <Command.List className="mt-3 max-h-80 overflow-y-auto">
          <Command.Empty className="p-3 text-ink-3">Nothing by that name.</Command.Empty>
          <Command.Group heading="Acts" className="palette-group">
            <Item onSelect={onKill} hint="!">Stop something (kill switch)</Item>
            <Item onSelect={act(() => setTheme("light"))}>Light theme</Item>
            <Item onSelect={act(() => setTheme("dark"))}>Dark theme</Item>
            <Item onSelect={act(() => void session.end())}>Sign out</Item>
          </Command.Group>
          <Command.Group heading="Pages" className="palette-group">
            {PLACES.map((place) => (
              <Item key={place.to} value={place.name} onSelect={act(() => void navigate({ to: place.to }))} hint={`g ${place.key}`}>{place.name}</Item>
            ))}
          </Command.Group>
          {wanted.length > 2 && (
            <Command.Group heading="Search" className="palette-group" forceMount>
              <Item value={`tasks ${wanted}`} onSelect={act(() => void navigate({ to: "/tasks", search: { q: wanted } }))}>Tasks that mention “{wanted}”</Item>
              {/^[0-9a-f]{8}-/.test(wanted) && (
                <Item value={`open ${wanted}`} onSelect={act(() => void navigate({ to: "/tasks/$task", params: { task: wanted } }))}>Open task {wanted}</Item>
              )}
            </Command.Group>
          )}
        </Command.List>
      </Command>
    </Modal>
  );
}

/** What begins with what was typed, then what holds it. Letters that are merely among others are no match: Enter would stop what nobody named. */
function fits(value: string, typed: string): number {
  const [text, wanted] = [value.toLowerCase(), typed.trim().toLowerCase()];
  return text.startsWith(wanted) ? 1 : text.includes(wanted) ? 0.5 : 0;
}

function Item({ children, onSelect, hint, value }: { children: React.ReactNode; onSelect: () => void; hint?: string; value?: string }) {
  return (
    <Command.Item onSelect={onSelect} {...(value === undefined ? {} : { value })}
      className="flex cursor-pointer items-center justify-between rounded-md px-3 py-2 data-[selected=true]:bg-accent-soft data-[selected=true]:text-accent">
      <span>{children}</span>
      {hint !== undefined && <span className="flex gap-1">{hint.split(" ").map((key) => <span key={key} className="kbd">{key}</span>)}</span>}
    </Command.Item>
  );
}
