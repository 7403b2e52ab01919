import { useNames } from "./people";

/** Whoever has an id, by name; the id is its title. */
export function Who({ id }: { id: string }) {
  const { nameOf } = useNames();
  return <span className="truncate" title={id}>{nameOf(id)}</span>;
}
