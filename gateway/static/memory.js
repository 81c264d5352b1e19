// What a reload must not lose: the token, the ticket, the purchase under way with its Idempotency-Key. Where localStorage
// is forbidden they live as long as the page. The server stays the truth of it all.

const PREFIX = "floodgate:";
const spare = new Map();

export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return spare.get(name);
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    spare.set(name, value);
  }
}

export class SaleMemory {
  constructor(saleId, userId) {
    this.name = `${saleId}:${userId}`;
    this.facts = recall(this.name) ?? {};
  }

  put(changes) {
    Object.assign(this.facts, recall(this.name), changes); // another tab may have written
    keep(this.name, this.facts);
  }
}

/** A fresh Idempotency-Key. getRandomValues works on plain HTTP in a local network too; randomUUID does not. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What a token says, unverified: for display and for naming the memory. The gateway alone decides. */
export function claimsOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}
