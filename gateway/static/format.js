// Money, times and spans as people of each language write them.

import { say } from "./texts.js";

/** Integer minor units with their currency: 199900 CNY → ¥1,999.00. */
export function money(minor, currency, language) {
  const format = new Intl.NumberFormat(language, { style: "currency", currency, currencyDisplay: "narrowSymbol" });
  const digits = format.resolvedOptions().maximumFractionDigits;
  const whole = minor % 10 ** digits === 0 ? { minimumFractionDigits: 0 } : {};
  const shown = new Intl.NumberFormat(language, { style: "currency", currency, currencyDisplay: "narrowSymbol", ...whole });
  return shown.format(minor / 10 ** digits);
}

export function count(number, language) {
  return new Intl.NumberFormat(language).format(number);
}

/** An instant on the shopper's calendar: 11月11日 20:00. */
export function moment(instant, language) {
  const parts = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(language, parts).format(new Date(instant));
}

export function hour(instant, language) {
  const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(language, parts).format(new Date(instant));
}

const two = (number) => String(number).padStart(2, "0");

/** A countdown: 04:59, 01:00:00, 2 d 03:04:05. Rounded up, so that 00:00 is shown only when it is over. */
export function countdown(seconds, language) {
  const left = Math.max(0, Math.ceil(seconds));
  const days = Math.floor(left / 86400);
  const hours = Math.floor((left % 86400) / 3600);
  const rest = `${two(Math.floor((left % 3600) / 60))}:${two(left % 60)}`;
  if (days > 0) return `${say(language, "days", { n: days })} ${two(hours)}:${rest}`;
  return hours > 0 ? `${two(hours)}:${rest}` : rest;
}

/** A span nobody should take for a promise: "about 3 min". */
export function roughly(seconds, language) {
  if (seconds < 60) return say(language, "soon");
  if (seconds < 5400) return say(language, "minutes", { n: Math.ceil(seconds / 60) });
  return say(language, "hours", { n: Math.ceil(seconds / 3600) });
}
