/** What somebody typed about an approval and has not sent: it outlives a closed form, another's edit and another's answer. */
export interface Draft {
  /** What was looked at when it was begun. */
  digest: string;
  values: Record<string, string>;
}

const drafts = new Map<string, Draft>();

export const draftOf = (approval: string): Draft | undefined => drafts.get(approval);
export const keepDraft = (approval: string, draft: Draft): unknown => drafts.set(approval, draft);
export const dropDraft = (approval: string): unknown => drafts.delete(approval);
