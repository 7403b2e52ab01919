/** The pill above a list that holds new rows back. */
export function Fresh({ count, onShow }: { count: number; onShow: () => void }) {
  if (count === 0) return null;
  return (
    <button type="button" onClick={onShow} className="w-full border-b border-line bg-accent-soft px-3 py-1.5 text-center font-semibold text-accent">
      {count} new – show
    </button>
  );
}
