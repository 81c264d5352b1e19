// Items with their stock, rules, rewards, the order: rebuilt only where the facts changed.

import { count, moment, money } from "./format.js";
import { $, make, show } from "./paint.js";
import { unitsLeft } from "./stage.js";
import { localTexts, say } from "./texts.js";

const QUANTITY_SHOWN_MAX = 20; // a longer list is no longer chosen from; the limit itself is the gateway's
const ORDERED = ["held", "paying", "lapsing", "confirmed"];
const painted = new Map();

export function forgetLists() {
  painted.clear();
}

function anew(id, facts, build) {
  const key = JSON.stringify(facts);
  if (painted.get(id) === key) return;
  painted.set(id, key);
  $(id).replaceChildren(...build());
}

export function windowOf(sale, language) {
  const isShort = Date.parse(sale.closes_at) - Date.parse(sale.opens_at) < 86_400_000;
  const values = { opens: moment(sale.opens_at, language), closes: moment(sale.closes_at, language, isShort) };
  return say(language, "window", values);
}

/** What is chosen, or null while nothing can be bought. */
export function choice() {
  const picked = $("items-list").querySelector("input:checked");
  return picked && { sku: picked.value, quantity: Number($("quantity").value) || 1 };
}

export function paintLists(shop, stage, lead, language) {
  const { sale, sales, room, reservations, rewards } = shop;
  const isChoosing = stage === "turn" || stage === "turn_again";
  show($("sales"), stage === "pick");
  for (const id of ["items", "rules"]) show($(id), sale);
  show($("rewards"), rewards.length);
  show($("order"), ORDERED.includes(stage));
  if (stage === "pick") anew("sales-list", sales, () => sales.map((one) => saleRow(one, language)));
  if (!sale) return;
  $("choice").disabled = !isChoosing;
  anew("items-list", [sale, room?.stock, reservations, isChoosing], () => itemRows(shop, isChoosing, language));
  const item = sale.items.find((one) => one.sku === choice()?.sku);
  const most = item ? Math.min(QUANTITY_SHOWN_MAX, unitsLeft(item, reservations)) : 0;
  show($("quantity-row"), most > 1);
  anew("quantity", [item, most], () => Array.from({ length: most }, (_, at) => make("option", {}, String(at + 1))));
  anew("rules-list", sale, () => ruleRows(sale, language).map((text) => make("li", {}, text)));
  anew("rewards-list", rewards, () => rewards.map((one) => rewardRow(one, language)));
  if (lead) anew("order", lead, () => orderRows(sale, lead, language));
}

function saleRow(sale, language) {
  const { title } = localTexts(sale.texts, language);
  const link = { href: `?sale=${encodeURIComponent(sale.sale_id)}`, data: { sale: sale.sale_id } };
  return make("li", {}, make("a", link, make("strong", {}, title), make("span", {}, windowOf(sale, language))));
}

function itemRows({ sale, room, reservations }, isChoosing, language) {
  const picked = choice()?.sku;
  const rows = sale.items.map((item) => {
    const isMine = unitsLeft(item, reservations) === 0;
    const band = isMine ? "mine" : room?.stock[item.sku] ?? "unknown";
    return { item, band, isGone: isMine || band === "none" };
  });
  const open = isChoosing ? rows.filter((row) => !row.isGone) : [];
  const chosen = open.find((row) => row.item.sku === picked) ?? open[0];
  return rows.map((row) => itemRow(row, row === chosen, sale.currency, language));
}

function itemRow({ item, band, isGone }, checked, currency, language) {
  const { title, subtitle } = localTexts(item.texts, language);
  const small = (text) => text && make("span", { className: "small" }, text);
  const limit = say(language, "limitEach", { n: item.per_user_limit });
  const chip = band !== "unknown" && make("span", { className: "chip", data: { band } }, say(language, band));
  return make("li", {}, make("label", { className: isGone ? "item gone" : "item" },
    make("input", { type: "radio", name: "sku", value: item.sku, checked, disabled: isGone }),
    make("span", { className: "about" }, make("strong", {}, title), small(subtitle), small(limit)),
    make("span", { className: "offer" }, make("span", { className: "price" }, money(item.price_minor, currency, language)), chip)));
}

function ruleRows(sale, language) {
  const minutes = Math.max(1, Math.round(sale.hold_seconds / 60));
  const rewards = promisedRewards(sale).map((rule) => {
    const first = rule.first_n && say(language, "firstN", { n: count(rule.first_n, language) });
    return [first, rewardText(rule, language)].filter(Boolean).join(" · ");
  });
  const told = localTexts(sale.texts, language).rules?.trim().split("\n");
  return [...(told ?? [say(language, "fairRule"), say(language, "holdRule", { minutes })]), ...rewards];
}

export function promisedRewards(sale) {
  return sale.rules?.rewards ?? [];
}

function rewardText({ kind, amount_minor: amount, currency, coupon_code: code }, language) {
  const values = { n: count(amount, language), code, amount: kind === "cash" && money(amount, currency, language) };
  return say(language, kind, values);
}

function rewardRow(reward, language) {
  const chip = make("span", { className: "chip", data: { state: reward.state } }, say(language, reward.state));
  return make("li", {}, make("strong", {}, rewardText(reward, language)), chip);
}

function orderRows(sale, lead, language) {
  const { title } = localTexts(sale.items.find((one) => one.sku === lead.sku)?.texts, language);
  const pair = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
  const amount = money(lead.amount_minor, lead.currency, language);
  return [pair(`${title} × ${lead.quantity}`, amount), pair(say(language, "orderId"), lead.reservation_id)];
}
