// What the page can do without, but does better with: copying, the reader's own
// time zone, lifetimes at a click, and forms that are not sent twice.
"use strict";

// Times are in UTC. Show them in the reader's zone, and UTC on hover.
for (const time of document.querySelectorAll("time[datetime]")) {
  const style = { dateStyle: "medium", timeStyle: "exact" in time.dataset ? "medium" : "short" };
  time.textContent = new Intl.DateTimeFormat(undefined, style).format(new Date(time.dateTime));
}

// What is typed is in UTC; say what that is for the reader.
for (const input of document.querySelectorAll("input[type='datetime-local']")) {
  const hint = document.createElement("p");
  hint.className = "hint";
  const tell = () => {
    const date = new Date(input.value + "Z");
    hint.textContent = input.value && !isNaN(date) && date.getTimezoneOffset()
      ? `${new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(date)} for you`
      : "";
    hint.hidden = !hint.textContent;
  };
  input.addEventListener("input", tell);
  tell();
  input.after(hint);
}

// A lifetime is easier chosen than typed.
for (const input of document.querySelectorAll("#expires")) {
  const choices = document.createElement("div");
  choices.className = "choices";
  choices.role = "group";
  choices.ariaLabel = "Expires in";
  for (const [label, days] of [["30 days", 30], ["90 days", 90], ["1 year", 365], ["Never", 0]]) {
    const choice = document.createElement("button");
    choice.type = "button";
    choice.textContent = label;
    choice.addEventListener("click", () => {
      input.value = days ? new Date(Date.now() + days * 864e5).toISOString().slice(0, 16) : "";
      input.dispatchEvent(new Event("input"));
    });
    choices.append(choice);
  }
  input.parentElement.append(choices);
}

// The server does not know by which name it was reached if a proxy stands before it.
for (const command of document.querySelectorAll("[data-origin]")) {
  command.textContent = command.textContent.replace(command.dataset.origin, () => location.origin);
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch { // not over plain HTTP, or not allowed
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const ok = await copy(document.getElementById(button.dataset.copy));
    document.getElementById("copied").textContent = ok ? "Copied." : "Press Ctrl+C to copy what is selected.";
    button.classList.toggle("done", ok);
  });
}

// Whoever goes back to a page that the browser has kept as it was sees no key.
addEventListener("pagehide", () => {
  for (const shown of document.querySelectorAll("#secret, #try")) {
    shown.textContent = "It was shown once.";
  }
});

// A second click while the first is under way would do the thing twice. After five
// seconds it may be that the first was stopped, and nothing is under way.
for (const form of document.querySelectorAll("form[method='post']")) {
  form.addEventListener("submit", (event) => {
    const now = Date.now();
    if (now - (form.dataset.sent ?? 0) < 5000) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = now;
    event.submitter?.setAttribute("aria-disabled", "true");
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-disabled]")?.removeAttribute("aria-disabled");
  }
});

// Begin where something is wrong.
(document.querySelector("[aria-invalid]") ?? document.querySelector("[data-focus]"))?.focus();
