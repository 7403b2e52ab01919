import { Modal } from "../parts/Modal";
import { PLACES } from "./places";

const ANYWHERE: [string, string][] = [["⌘K or /", "Go to, search, act"], ["!", "Stop something"], ["?", "This list"], ["Esc", "Close, or leave a row"]];
const LISTS: [string, string][] = [["j / k", "Next or previous row"], ["Enter", "Open the row"], ["x", "Mark the row"]];
const APPROVALS: [string, string][] = [["a", "Approve"], ["r", "Refuse"], ["e", "Edit before approving"], ["c", "Comment"], ["l", "Mark those alike"], ["d", "Delegate"]];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Modal title="Keyboard" onClose={onClose} wide>
      <div className="grid gap-6 sm:grid-cols-2">
        <Keys title="Anywhere" keys={ANYWHERE} />
        <Keys title="Go to" keys={PLACES.map((place) => [`g ${place.key}`, place.name])} />
        <Keys title="Lists" keys={LISTS} />
        <Keys title="Approvals" keys={APPROVALS} />
      </div>
    </Modal>
  );
}

function Keys({ title, keys }: { title: string; keys: [string, string][] }) {
  return (
    <section>
      <h3 className="mb-2">{title}</h3>
      <dl className="grid grid-cols-[6rem_1fr] gap-y-1.5">
        {keys.map(([key, does]) => (
          <div key={key} className="contents">
            <dt>{key.split(" ").map((part, at) => (part === "/" && at === 1) || part === "or" ? <span key={at} className="text-ink-3"> {part} </span> : <span key={at} className="kbd mr-1">{part}</span>)}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
