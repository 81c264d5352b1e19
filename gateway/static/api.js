// One way to ask the gateway. What is no 2xx becomes a Problem with a stable `code`; status 0 is no answer at all: the
// outcome is unknown.

const ANSWER_SECONDS_MAX = 12; // the gateway answers within its own bounds long before this

export class Problem extends Error {
  constructor(status, told = {}, retryAfter = 0) {
    super(told.code ?? `http_${status}`);
    Object.assign(this, { status, code: this.message, detail: told.detail ?? this.message, retryAfter });
  }

  /** Whether the same request, sent again, may find another answer. */
  get passes() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** Lets a fault of this page be seen instead of being taken for a problem. */
export function expected(problem) {
  if (problem instanceof Problem) return problem;
  throw problem;
}

export class Gateway {
  /** `language` and `token` are asked at each request: a switch holds from the next one on. */
  constructor({ language, token }) {
    Object.assign(this, { language, token });
  }

  headers(more) {
    return { "Accept-Language": this.language(), Authorization: `Bearer ${this.token()}`, ...more };
  }

  /** The user's own: {status, headers, content}. Raises `Problem`. */
  own(path, method = "GET", body = undefined, more = {}) {
    if (body !== undefined) more = { ...more, "Content-Type": "application/json" };
    return this.#ask(path, { method, body: JSON.stringify(body), headers: this.headers(more) });
  }

  /** What is the same for everybody; unchanged since `etag` gives no content. Raises `Problem`. */
  open(path, etag = null) {
    const headers = { "Accept-Language": this.language(), ...(etag && { "If-None-Match": etag }) };
    return this.#ask(path, { headers, cache: etag ? "no-store" : "default" });
  }

  async #ask(path, options) {
    let answer;
    let content = null;
    try {
      answer = await fetch(path, { ...options, signal: AbortSignal.timeout?.(ANSWER_SECONDS_MAX * 1000) });
      const text = await answer.text();
      if (text) content = JSON.parse(text);
    } catch {
      // Half an answer is no answer, but a proxy's own error page still says its status.
      if (!answer || answer.ok) throw new Problem(0);
    }
    if (answer.ok || answer.status === 304) return { headers: answer.headers, content };
    throw new Problem(answer.status, content ?? {}, Number(answer.headers.get("Retry-After")) || 0);
  }
}
