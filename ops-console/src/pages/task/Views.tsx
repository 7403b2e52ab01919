import { useState } from "react";

import { useSession } from "../../session/session";
import type { TaskSearch } from "../Tasks";
import { BUILT_IN, keepViews, type View, viewsOf } from "./views";

interface Props {
  search: TaskSearch;
  onShow: (search: TaskSearch) => void;
}

/** Views by name: those that everybody needs, and one's own. */
export function Views({ search, onShow }: Props) {
  const person = useSession().signedIn?.id ?? "";
  const [own, setOwn] = useState(() => viewsOf(person));
  const [naming, setNaming] = useState(false);
  const [name, setName] = useState("");
  const keep = (views: View[]): void => {
    keepViews(person, views);
    setOwn(views);
  };
  const now = JSON.stringify(search);
  const save = (): void => {
    const called = name.trim();
    if (called === "") return;
    keep([...own.filter((view) => view.name !== called), { name: called, search }]);
    setName("");
    setNaming(false);
  };
  const chip = (view: View): React.ReactNode => (
    <button type="button" className={`btn ${JSON.stringify(view.search) === now ? "btn-primary" : "btn-quiet"}`} aria-pressed={JSON.stringify(view.search) === now} onClick={() => onShow(view.search)}>{view.name}</button>
  );
  return (
    <div role="group" aria-label="Views" className="mb-2 flex flex-wrap items-center gap-1">
      {chip({ name: "All", search: {} })}
      {BUILT_IN.map((view) => <span key={view.name}>{chip(view)}</span>)}
      {own.map((view) => (
        <span key={view.name} className="flex items-center">
          {chip(view)}
          <button type="button" className="px-1 text-ink-3" aria-label={`Forget the view ${view.name}`} onClick={() => keep(own.filter((each) => each.name !== view.name))}>×</button>
        </span>
      ))}
      {naming ? (
        <form className="flex gap-1" onSubmit={(event) => {
          event.preventDefault();
          save();
        }}>
          {/* eslint-disable-next-line jsx-a11y/no-autofocus -- it was opened to type */}
          <input autoFocus className="field w-40" aria-label="Name of the view" maxLength={40} value={name} onChange={(event) => setName(event.target.value)} onKeyDown={(event) => event.key === "Escape" && setNaming(false)} />
          <button type="submit" className="btn">Save</button>
        </form>
      ) : now !== "{}" && <button type="button" className="btn btn-quiet" onClick={() => setNaming(true)}>Save view…</button>}
    </div>
  );
}
