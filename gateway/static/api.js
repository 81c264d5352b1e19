// One way to ask the gateway. Everything that is no 2xx becomes a Problem with a stable `code`; no answer at all is
// the code "offline": the outcome is unknown, and only a repeat with the same key may find it out.

const ANSWER_SECONDS_MAX = 12; // the gateway answers within its own bounds long before this

export class Problem extends Error {
  constructor(status, code, title, detail, retryAfter) {
    super(code);
    Object.assign(this, { status, code, title, detail, retryAfter });
  }

  /** Whether the same request, sent again, may find another answer. */
  get passes() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export class Gateway {
  /** `language` and `token` are asked at each request, so that a switch or a sign-in holds from the next one on. */
  constructor({ language, token }) {
    Object.assign(this, { language, token });
  }

  headers(more = {}) {
    const headers = { "Accept-Language": this.language(), ...more };
    if (!headers.Authorization && this.token()) headers.Authorization = `Bearer ${this.token()}`;
    return headers;
  }

  async ask(path, { method = "GET", body, headers = {}, public: isPublic = false } = {}) {
    const sent = isPublic ? { "Accept-Language": this.language(), ...headers } : this.headers(headers);
    if (body !== undefined) sent["Content-Type"] = "application/json";
    let answer;
    let content;
    try {
      answer = await fetch(path, {
        method,
        headers: sent,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_SECONDS_MAX * 1000),
        // The queue document is revalidated by its ETag here; a cached copy would hide the frontier for a second.
        cache: isPublic && headers["If-None-Match"] ? "no-store" : "default",
      });
      content = answer.status === 204 || answer.status === 304 ? null : await parsed(answer);
    } catch {
      throw new Problem(0, "offline", "", "", 0);
    }
    if (answer.ok || answer.status === 304) return { status: answer.status, headers: answer.headers, content };
    throw problemOf(answer, content);
  }
}

async function parsed(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    if (answer.ok) throw error; // half an answer is no answer
    return null; // a proxy's own error page
  }
}

function problemOf(answer, content) {
  const told = content && typeof content === "object" ? content : {};
  const retryAfter = Number(answer.headers.get("Retry-After")) || 0;
  return new Problem(answer.status, String(told.code ?? `http_${answer.status}`), told.title, told.detail, retryAfter);
}
