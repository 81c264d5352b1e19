// What a sale is made of: items with their stock, rules, rewards, the order. Rebuilt only where the facts changed.

import { count, hour, moment, money } from "./format.js";
import { $, make, put, show } from "./paint.js";
import { unitsLeft } from "./stage.js";
import { localTexts, say } from "./texts.js";

const QUANTITY_SHOWN_MAX = 20; // a longer list is no longer chosen from; the limit itself is the gateway's

export class Lists {
  #painted = new Map();

  constructor(shop) {
    this.shop = shop;
  }

  /** Paints everything anew next time: the language has changed. */
  forget() {
    this.#painted.clear();
  }

  paint(stage, lead, language) {
    this.language = language;
    const { sale, sales, room, reservations, rewards } = this.shop;
    const isChoosing = stage === "turn" || stage === "turn_again";
    show($("sales"), stage === "pick");
    show($("items"), Boolean(sale));
    show($("rules"), Boolean(sale));
    show($("rewards"), rewards.length > 0);
    if (stage === "pick") this.#anew("sales-list", sales, () => sales.map((one) => this.#saleRow(one)));
    if (!sale) return;
    const left = sale.items.map((item) => unitsLeft(item, reservations));
    this.#anew("items-list", [sale.items, room?.stock, left, isChoosing], () => this.#itemRows(isChoosing));
    if ($("choice").disabled === isChoosing) $("choice").disabled = !isChoosing;
    this.#paintQuantity(isChoosing);
    this.#anew("rules-list", sale.revision ?? sale, () => this.#ruleRows().map((text) => make("li", {}, text)));
    put($("rules-text"), [localTexts(sale.texts, language).rules ?? ""].flat().join("\n"));
    this.#anew("rewards-list", rewards, () => rewards.map((one) => this.#rewardRow(one)));
    const hasOrder = Boolean(lead) && ["held", "paying", "lapsing", "confirmed"].includes(stage);
    show($("order"), hasOrder);
    if (hasOrder) this.#anew("order", lead, () => this.#orderRows(lead));
  }

  /** The sku and quantity chosen, or null while nothing can be bought. */
  choice() {
    const picked = $("items-list").querySelector("input:checked:not([data-gone])");
    return picked ? { sku: picked.value, quantity: Number($("quantity").value) || 1 } : null;
  }

  moment(instant) {
    return moment(instant, this.language ?? "zh-CN");
  }

  window({ opens_at: opensAt, closes_at: closesAt }) {
    const isShort = Date.parse(closesAt) - Date.parse(opensAt) < 86_400_000;
    const closes = isShort ? hour(closesAt, this.language ?? "zh-CN") : this.moment(closesAt);
    return say(this.language ?? "zh-CN", "window", { opens: this.moment(opensAt), closes });
  }

  promisedRewards(sale) {
    return sale?.rules?.rewards ?? [];
  }

  #anew(id, facts, build) {
    const key = JSON.stringify(facts);
    if (this.#painted.get(id) === key) return;
    this.#painted.set(id, key);
    $(id).replaceChildren(...build());
  }

  #saleRow(sale) {
    const texts = localTexts(sale.texts, this.language);
    const link = make("a", { href: `?sale=${encodeURIComponent(sale.sale_id)}` });
    link.dataset.sale = sale.sale_id;
    link.append(make("strong", {}, texts.title ?? sale.sale_id), make("span", {}, this.window(sale)));
    return make("li", {}, link);
  }

  #itemRows(isChoosing) {
    const { sale, room, reservations } = this.shop;
    const picked = this.choice()?.sku;
    const rows = sale.items.map((item) => {
      const band = room?.stock?.[item.sku] ?? "unknown";
      const isGone = band === "none" || unitsLeft(item, reservations) === 0;
      return { item, band, isGone };
    });
    const first = (rows.find(({ item, isGone }) => item.sku === picked && !isGone) ?? rows.find(({ isGone }) => !isGone))?.item;
    return rows.map(({ item, band, isGone }) => this.#itemRow(item, band, isGone, isChoosing && item === first));
  }

  #itemRow(item, band, isGone, isPicked) {
    const texts = localTexts(item.texts, this.language);
    const input = make("input", { type: "radio", name: "sku", value: item.sku, checked: isPicked, disabled: isGone });
    if (isGone) input.dataset.gone = "";
    const chip = make("span", { className: "chip" }, say(this.language, band === "none" ? "nothing" : band));
    chip.dataset.band = band;
    const about = make("span", { className: "about" },
      make("strong", {}, texts.title ?? texts.name ?? item.sku),
      make("span", { className: "small" }, texts.subtitle ?? texts.description ?? ""),
      make("span", { className: "small" }, say(this.language, "limitEach", { n: item.per_user_limit })));
    const price = make("span", { className: "price" }, money(item.price_minor, this.shop.sale.currency, this.language));
    const side = make("span", { className: "side" }, price, band === "unknown" ? "" : chip);
    return make("li", {}, make("label", { className: "item" }, input, about, side));
  }

  #paintQuantity(isChoosing) {
    const { sale, reservations } = this.shop;
    const item = sale.items.find((one) => one.sku === this.choice()?.sku);
    const most = item ? Math.min(QUANTITY_SHOWN_MAX, unitsLeft(item, reservations)) : 0;
    show($("quantity-row"), isChoosing && most > 1);
    this.#anew("quantity", [item?.sku, most], () => Array.from({ length: most }, (_, at) => make("option", {}, String(at + 1))));
  }

  #ruleRows() {
    const { sale } = this.shop;
    const minutes = Math.max(1, Math.round(sale.hold_seconds / 60));
    const rewards = this.promisedRewards(sale).map((rule) => {
      const first = rule.first_n ? `${say(this.language, "firstN", { n: count(rule.first_n, this.language) })} · ` : "";
      return first + this.#rewardText(rule);
    });
    return [say(this.language, "fairRule"), say(this.language, "holdRule", { minutes }), ...rewards];
  }

  #rewardText({ kind, amount_minor: amount, currency, coupon_code: code }) {
    const values = { n: count(amount, this.language), code: code ?? "" };
    if (kind === "cash") values.amount = money(amount, currency ?? this.shop.sale.currency, this.language);
    return say(this.language, kind, values);
  }

  #rewardRow(reward) {
    const state = make("span", { className: "chip" }, say(this.language, reward.state));
    state.dataset.state = reward.state;
    return make("li", {}, make("span", {}, this.#rewardText(reward)), state);
  }

  #orderRows(lead) {
    const item = this.shop.sale.items.find((one) => one.sku === lead.sku);
    const texts = localTexts(item?.texts, this.language);
    const amount = money(lead.amount_minor ?? 0, lead.currency ?? this.shop.sale.currency, this.language);
    const name = `${texts.title ?? texts.name ?? lead.sku} × ${lead.quantity ?? 1}`;
    const id = make("dd", { className: "id" }, lead.reservation_id);
    return [make("dt", {}, name), make("dd", {}, amount), make("dt", {}, say(this.language, "orderId")), id];
  }
}
