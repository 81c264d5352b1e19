// What a reload must not lose: the token, the ticket, the purchase under way with its Idempotency-Key. Kept in
// localStorage, where that is forbidden for the life of the page. The server stays the truth of it all.

const PREFIX = "floodgate:";
const spare = new Map();

export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return spare.get(name) ?? null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    spare.set(name, value);
  }
}

/** What one shopper has going on in one sale. */
export class SaleMemory {
  constructor(saleId, userId) {
    this.name = `${saleId}:${userId}`;
    this.facts = recall(this.name) ?? {};
  }

  put(changes) {
    Object.assign(this.facts, changes);
    keep(this.name, this.facts);
  }
}

/** A fresh Idempotency-Key. getRandomValues works on plain HTTP in a local network too; randomUUID does not. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The user named in a token, for display and for naming the memory; the gateway alone verifies it. */
export function userOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub ?? null;
  } catch {
    return null;
  }
}
