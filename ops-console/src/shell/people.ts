import { useQuery } from "@tanstack/react-query";

import { api, sent } from "../api/client";
import { tail } from "../parts/format";
import { useSession } from "../session/session";

/** What to call whoever has an id: you, a person's or a key's name, or the end of the id where it is known to nobody any more. */
export function useNames(): { nameOf: (id: string | null | undefined) => string; people: { id: string; name: string }[] } {
  const me = useSession().signedIn?.id;
  const answer = useQuery({ queryKey: ["users", "names"], queryFn: () => sent(api.GET("/api/v1/users/names")), retry: false });
  const people = answer.data?.items ?? [];
  const nameOf = (id: string | null | undefined): string => {
    if (id === null || id === undefined) return "somebody";
    return id === me ? "you" : (people.find((each) => each.id === id)?.name ?? tail(id));
  };
  return { nameOf, people };
}
