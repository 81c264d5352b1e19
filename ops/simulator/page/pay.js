"use strict";
// The shopper's decision, sent once; then back to the shop.
const page = document.body.dataset;
const say = document.getElementById("say");
const buttons = document.querySelectorAll("button[data-outcome]");

function show(state) {
  for (const button of buttons) button.disabled = state !== "created";
  if (state !== "created") say.textContent = say.dataset[state] ?? "";
}

async function decide(outcome) {
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await fetch(`/pay/${page.payment}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ outcome }),
    });
    if (!answer.ok) throw new Error(String(answer.status));
    show((await answer.json()).state);
    setTimeout(() => location.assign(page.return), 1200);
  } catch {
    say.textContent = say.dataset.failed;
    for (const button of buttons) button.disabled = false;
  }
}

for (const button of buttons) button.addEventListener("click", () => decide(button.dataset.outcome));
show(page.state);
