import { useMutation } from "@tanstack/react-query";
import type { SubmitEvent } from "react";

import { api, sent } from "../../api/client";
import { useDraft } from "../../parts/drafts";
import { Fault } from "../../parts/Fault";

export function CommentForm({ approval, onDone }: { approval: string; onDone: () => void }) {
  const [text, setText, sentIt] = useDraft(`comment:${approval}`);
  const comment = useMutation({
    mutationFn: () => sent(api.POST("/api/v1/approvals/{approval}/comment", { params: { path: { approval } }, body: { text } })),
    onSuccess: () => {
      sentIt();
      onDone();
    },
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    comment.mutate();
  };
  return (
    <form onSubmit={submit} className="space-y-2">
      <label className="label" htmlFor="comment">Comment, without a vote; stored sealed</label>
      {/* eslint-disable-next-line jsx-a11y/no-autofocus -- it was opened to type */}
      <textarea id="comment" autoFocus className="field min-h-20" required maxLength={4000} value={text} onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && onDone()} />
      {comment.error !== null && <Fault error={comment.error} />}
      <button type="submit" className="btn btn-primary" disabled={comment.isPending}>Add comment</button>
    </form>
  );
}
