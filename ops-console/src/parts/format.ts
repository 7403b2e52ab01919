const money = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 2 });
const smallMoney = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", minimumFractionDigits: 4, maximumFractionDigits: 4 });
const whole = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

/** Money comes as text, exact; it is rounded for the eye only. */
export function usd(amount: string | number): string {
  const value = Number(amount);
  return value !== 0 && Math.abs(value) < 1 ? smallMoney.format(value) : money.format(value);
}
export const count = (value: number): string => whole.format(value);
export const short = (value: number): string => (value < 10_000 ? whole.format(value) : compact.format(value));

export function duration(ms: number): string {
  if (ms < 1) return "<1 ms";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1_000)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long ago or until, in the words of a person in a hurry. */
export function relative(iso: string, now: number): string {
  const delta = new Date(iso).getTime() - now;
  const size = Math.abs(delta);
  const text = size < 5_000 ? "now" : size < 60_000 ? `${Math.round(size / 1_000)} s` : size < 3_600_000 ? `${Math.round(size / 60_000)} min`
    : size < 172_800_000 ? `${Math.round(size / 3_600_000)} h` : `${Math.round(size / 86_400_000)} d`;
  return text === "now" ? text : delta < 0 ? `${text} ago` : `in ${text}`;
}

/** Made once: `toLocaleString` makes one anew for each time, which takes longer than the row that shows it. */
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
/** A time in full; what is no time, as it came. */
export function exact(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : moment.format(at);
}
/** Ids begin with their time, so that their ends differ most. */
export const tail = (id: string): string => (id.length > 14 ? `…${id.slice(-10)}` : id);
