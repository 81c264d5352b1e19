// What a reload must not lose: the token, the ticket, the purchase under way with its Idempotency-Key. Kept per sale
// and user in localStorage; where that is forbidden, for the life of the page. The server stays the truth of it all.

const PREFIX = "floodgate:";
const spare = new Map();

export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? null;
  } catch {
    return spare.get(name) ?? null;
  }
}

export function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    spare.set(name, value);
  }
}

/** What this shopper has going on in one sale. `put` writes through at once. */
export class SaleMemory {
  constructor(saleId, userId) {
    this.name = `sale:${saleId}:${userId}`;
    this.facts = recall(this.name) ?? {};
  }

  get isNew() {
    return Object.keys(this.facts).length === 0;
  }

  put(changes) {
    this.facts = { ...this.facts, ...changes };
    keep(this.name, this.facts);
  }
}

/** A fresh Idempotency-Key. getRandomValues works on plain HTTP in a local network too; randomUUID does not. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The user named in a token, read for display and for naming the memory; the gateway alone verifies it. */
export function userOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const claims = JSON.parse(atob(payload));
    const isOver = typeof claims.exp === "number" && claims.exp * 1000 < Date.now() - 86_400_000;
    return isOver ? null : claims.sub ?? null;
  } catch {
    return null;
  }
}
