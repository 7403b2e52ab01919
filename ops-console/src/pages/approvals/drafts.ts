import { draftIn, dropIn, keepIn } from "../../parts/drafts";

/** An edit of an approval that was not sent: it outlives another's edit and another's answer too. */
export interface Draft {
  /** What was looked at when it was begun. */
  digest: string;
  values: Record<string, string>;
}

export const draftOf = (approval: string): Draft | undefined => draftIn(`edit:${approval}`) as Draft | undefined;
export const keepDraft = (approval: string, draft: Draft): void => keepIn(`edit:${approval}`, draft);
export const dropDraft = (approval: string): void => dropIn(`edit:${approval}`);
