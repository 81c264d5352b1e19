// The page's composition root.

import { Gateway } from "./api.js";
import { ServerClock } from "./clock.js";
import { choice } from "./lists.js";
import { keep, recall } from "./memory.js";
import { Notices } from "./notices.js";
import { $ } from "./paint.js";
import { Purchase } from "./purchase.js";
import { Shop, sleep } from "./shop.js";
import { leadingReservation, unitsLeft } from "./stage.js";
import { chooseLanguage } from "./texts.js";
import { View } from "./view.js";

const HIDDEN_SECONDS_MAX = 60; // a phone in the pocket gives its stream back
const SURE_SECONDS = 4;
const LAPSE_CHECK_BEATS = 3; // a hold whose time is up is looked at until it has ended

let language = recall("language") ?? chooseLanguage(navigator.languages);
let hiddenAt = 0;
let beats = 0;
const gateway = new Gateway({ language: () => language, token: () => shop.token });
const shop = new Shop(gateway, new ServerClock(), paint);
const view = new View(shop);
const purchase = new Purchase(shop, () => notices.open());
const notices = new Notices(gateway, { onEvent: (...notice) => purchase.hear(...notice), onRefused: () => purchase.signedOut() });

function paint() {
  const isOpen = shop.sale && shop.room?.state === "open";
  shop.mayBuyAgain = isOpen && shop.sale.items.some((item) => unitsLeft(item, shop.reservations) > 0);
  view.paint();
}

/** What time alone makes due. */
function beat() {
  beats += 1;
  paint();
  if (shop.stage === "admitting") purchase.enter();
  if (shop.stage === "lapsing" && beats % LAPSE_CHECK_BEATS === 0) purchase.refreshMine();
  if (document.hidden && Date.now() - hiddenAt > HIDDEN_SECONDS_MAX * 1000) notices.close();
}

async function openSale() {
  notices.close();
  await shop.open(new URLSearchParams(location.search).get("sale"));
  const { bought, intent, ticket } = shop.memory.facts;
  // Who waits has no rows yet, and a crowd that reloads must not read the database.
  if (bought || intent || !ticket) await purchase.refreshMine();
  if (shop.reservations.length) notices.open();
  purchase.settleIntent();
}

function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  shop.takeToken(token);
}

const lead = () => leadingReservation(shop.reservations);
const ACTS = {
  join: () => purchase.join(),
  signIn: () => $("sign-in").requestSubmit(),
  buy: () => purchase.buy(choice()),
  pay: () => purchase.pay(lead()),
  payBack: () => purchase.pay(lead()),
  release: async () => {
    shop.change({ isReleaseAsked: true });
    await sleep(SURE_SECONDS);
    shop.change({ isReleaseAsked: false });
  },
  releaseSure: () => purchase.release(lead()),
  again: () => shop.change({ again: true }),
};

function follow(event) {
  const link = event.target.closest("a[data-sale], #others, #home");
  if (!link || event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  openSale();
}

function comeAndGo() {
  hiddenAt = Date.now();
  if (document.hidden) return;
  shop.clock.forget();
  shop.lookNow();
  if (shop.reservations.length) notices.open();
}

for (const id of ["primary", "secondary"]) $(id).addEventListener("click", () => ACTS[$(id).dataset.act]());
$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  purchase.signIn($("user-id").value, $("phone").value);
});
$("items-list").addEventListener("change", paint);
$("language").addEventListener("click", () => {
  language = language === "en" ? "zh-CN" : "en";
  keep("language", language);
  view.speak(language);
});
$("sign-out").addEventListener("click", () => {
  notices.close();
  shop.takeToken(null);
});
document.addEventListener("click", follow);
document.addEventListener("visibilitychange", comeAndGo);
addEventListener("popstate", openSale);
addEventListener("online", () => shop.lookNow());
addEventListener("offline", () => shop.fail({ status: 0 }));
// Back by the browser's own button, the page wakes as it was and must look again.
addEventListener("pageshow", (event) => event.persisted && purchase.refreshMine());

view.speak(language);
takeTokenFromAddress();
openSale();
setInterval(beat, 1000);
