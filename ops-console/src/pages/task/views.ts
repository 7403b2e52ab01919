import type { TaskSearch } from "../Tasks";

export interface View { name: string; search: TaskSearch }

/** Kept by this browser for each person: views are habits, not settings of the installation. */
const keyOf = (person: string): string => `agentos-task-views:${person}`;

export const BUILT_IN: View[] = [
  { name: "Waits for a person", search: { state: "waiting" } },
  { name: "Failed", search: { outcome: "failed" } },
  { name: "Parked", search: { state: "parked" } },
  { name: "Dearest", search: { sort: "cost" } },
  { name: "Slowest", search: { sort: "duration" } },
];

export function viewsOf(person: string): View[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(person)) ?? "[]");
    return Array.isArray(kept) ? kept.filter((each): each is View => typeof each === "object" && each !== null && "name" in each && "search" in each) : [];
  } catch {
    return [];
  }
}

export function keepViews(person: string, views: View[]): void {
  localStorage.setItem(keyOf(person), JSON.stringify(views));
}
