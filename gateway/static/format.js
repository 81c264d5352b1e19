// Money, times and spans as people of each language write them.

import { say } from "./texts.js";

/** Integer minor units with their currency: 199900 CNY → ¥1,999. */
export function money(minor, currency, language) {
  const style = { style: "currency", currency, currencyDisplay: "narrowSymbol", trailingZeroDisplay: "stripIfInteger" };
  const format = new Intl.NumberFormat(language, style);
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

export function count(number, language) {
  return new Intl.NumberFormat(language).format(number);
}

const HOUR = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** An instant on the shopper's calendar: 11月11日 20:00, or its hour alone. */
export function moment(instant, language, isHourOnly = false) {
  const parts = isHourOnly ? HOUR : { month: "short", day: "numeric", ...HOUR };
  return new Intl.DateTimeFormat(language, parts).format(new Date(instant));
}

/** 04:59, 01:00:00, 2 d 03:04:05; rounded up, so that 00:00 means over. */
export function countdown(seconds, language) {
  const left = Math.max(0, Math.ceil(seconds));
  const [days, hours, minutes] = [86400, 3600, 60].map((unit) => Math.floor(left / unit));
  const parts = [minutes % 60, left % 60];
  if (hours > 0) parts.unshift(hours % 24);
  const clock = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return days > 0 ? `${say(language, "days", { n: days })} ${clock}` : clock;
}

/** A span nobody should take for a promise: "about 3 min". */
export function roughly(seconds, language) {
  if (seconds < 60) return say(language, "soon");
  if (seconds < 5400) return say(language, "minutes", { n: Math.ceil(seconds / 60) });
  return say(language, "hours", { n: Math.ceil(seconds / 3600) });
}
