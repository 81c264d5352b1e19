// The page's composition root: who is made with what, which click does what, and the beat of one second.

import { Gateway } from "./api.js";
import { ServerClock } from "./clock.js";
import { keep, recall } from "./memory.js";
import { Notices } from "./notices.js";
import { $ } from "./paint.js";
import { Purchase } from "./purchase.js";
import { Shop, sleep } from "./shop.js";
import { leadingReservation, unitsLeft } from "./stage.js";
import { chooseLanguage, otherLanguage } from "./texts.js";
import { View } from "./view.js";

const HIDDEN_SECONDS_MAX = 60; // a phone in the pocket gives its stream back; Last-Event-ID catches up later
const SURE_SECONDS = 4;
const LAPSE_CHECK_SECONDS = 3; // how often a hold whose time is up is looked at until it has ended

let language = recall("language") ?? chooseLanguage(navigator.languages ?? []);
const gateway = new Gateway({ language: () => language, token: () => shop.token });
const shop = new Shop(gateway, new ServerClock(), () => repaint());
const view = new View(shop);
const notices = new Notices(gateway, { onEvent: hear, onRefused: () => purchase.signedOut() });
const purchase = new Purchase(shop, { onNews: () => notices.open() });
let hiddenSince = null;
let checkedAt = 0;

function repaint() {
  const { sale, reservations } = shop;
  shop.mayBuyAgain = Boolean(sale) && shop.room?.state === "open" && sale.items.some((item) => unitsLeft(item, reservations) > 0);
  view.paint();
}

/** Once a second, and after each look at the queue: what time alone makes due. */
function beat() {
  repaint();
  const { stage } = shop;
  if (stage === "admitting") purchase.enter();
  if (stage === "lapsing" && Date.now() - checkedAt > LAPSE_CHECK_SECONDS * 1000) {
    checkedAt = Date.now();
    purchase.refreshMine();
  }
  if (hiddenSince && Date.now() - hiddenSince > HIDDEN_SECONDS_MAX * 1000) notices.close();
}

/** A notice: `snapshot` is where things stand, the others say what happened; the rows are read again either way. */
let readingAgain = null;
function hear(name) {
  if (readingAgain) return;
  readingAgain = sleep(0.1).then(async () => {
    readingAgain = null;
    await purchase.refreshMine();
  });
}

async function openSale(saleId) {
  notices.close();
  await shop.open(saleId);
  if (!shop.sale) return;
  const { bought, intent, ticket } = shop.memory.facts;
  // Only who has bought, or comes from another phone, has rows to read: a crowd that reloads must not read the database.
  if (shop.user && (bought || intent || !ticket)) await purchase.refreshMine();
  if (shop.reservations.length) notices.open();
  purchase.settleIntent();
}

function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  shop.takeToken(token);
  history.replaceState(null, "", location.pathname + location.search);
}

const saleInAddress = () => new URLSearchParams(location.search).get("sale");

const ACTS = {
  join: () => purchase.join(),
  signIn: () => $("sign-in").requestSubmit(),
  buy: () => {
    const choice = view.lists.choice();
    if (choice) purchase.buy(choice.sku, choice.quantity);
  },
  pay: () => purchase.pay(leadingReservation(shop.reservations)),
  payBack: () => purchase.pay(leadingReservation(shop.reservations)),
  release: async () => {
    shop.change({ releaseAsked: true });
    await sleep(SURE_SECONDS);
    shop.change({ releaseAsked: false });
  },
  releaseSure: () => purchase.release(leadingReservation(shop.reservations)),
  again: () => shop.change({ again: true }),
};

for (const id of ["primary", "secondary"]) $(id).addEventListener("click", (event) => ACTS[event.currentTarget.dataset.act]?.());
$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  purchase.signIn($("user-id").value.trim(), $("phone").value.trim());
});
$("items-list").addEventListener("change", repaint);
$("language").addEventListener("click", () => {
  language = otherLanguage(language);
  keep("language", language);
  view.speak(language);
});
$("sign-out").addEventListener("click", () => {
  notices.close();
  shop.takeToken(null);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-sale], #others, #home");
  if (!link || event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  history.pushState(null, "", link.dataset.sale ? link.href : location.pathname);
  openSale(link.dataset.sale ?? null);
});
addEventListener("popstate", () => openSale(saleInAddress()));
addEventListener("online", () => shop.lookNow());
// Back from the provider's page by the browser's own button: the page wakes as it was and must look again.
addEventListener("pageshow", (event) => event.persisted && purchase.refreshMine());
document.addEventListener("visibilitychange", () => {
  hiddenSince = document.hidden ? Date.now() : null;
  if (document.hidden) return;
  shop.clock.forget();
  shop.lookNow();
  if (shop.reservations.length) notices.open();
});

view.speak(language);
takeTokenFromAddress();
openSale(saleInAddress());
setInterval(beat, 1000);
