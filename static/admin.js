// The admin works without this file. It adds a live preview, a next-update timer,
// one submit per form, templates to insert, and ordering by drag.
document.documentElement.classList.add("js");

// Errors first: a screen reader begins where something is wrong.
document.getElementById("errors")?.focus();

// On a phone the menu scrolls: bring the current section into view.
document.querySelector("aside [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// ── one submit per form ──
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-busy", "true");
  });
}
// A page that comes back from the browser's memory can be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const one of document.querySelectorAll("[aria-busy]")) one.removeAttribute("aria-busy");
});

// ── live preview: one part of the response to the Preview button ──
for (const form of document.querySelectorAll("form[data-preview]")) {
  let timer, running;
  const refresh = async () => {
    running?.abort();
    running = new AbortController();
    try {
      const answer = await fetch(form.dataset.preview, {
        method: "POST", body: new URLSearchParams(new FormData(form)), signal: running.signal,
      });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("preview"), old = document.getElementById("preview");
      const mail = fresh?.querySelector("details");
      if (mail) mail.open = Boolean(old?.querySelector("details")?.open);
      if (fresh && old) old.replaceWith(fresh);
    } catch (error) {
      if (error.name !== "AbortError") console.warn("preview", error);
    }
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(refresh, 250); };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  // Enter in a text field presses the first button, which is Preview: it stays here.
  form.querySelector("[data-look]")?.addEventListener("click", (event) => { event.preventDefault(); refresh(); });
}

// ── components: choosing a status ticks the component ──
for (const row of document.querySelectorAll(".rowc")) {
  const box = row.querySelector("input[type=checkbox]"), status = row.querySelector("select");
  for (const one of row.querySelectorAll("select, input[type=text]")) {
    one.addEventListener("input", () => { if (one !== status || status.value !== "operational") box.checked = true; });
  }
}

// A share belongs to its status: another status starts without one.
for (const row of document.querySelectorAll(".rowc")) {
  const share = row.querySelector("input[inputmode=decimal]");
  row.querySelector("select").addEventListener("change", () => {
    if (share.value === share.defaultValue) share.value = "";
  });
}

// ── copy what is shown once ──
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
    button.textContent = "Copied";
  });
}

// ── templates ──
for (const button of document.querySelectorAll("[data-insert]")) {
  button.addEventListener("click", () => {
    const text = button.closest("form").querySelector("textarea");
    text.setRangeText(button.dataset.insert, text.selectionStart, text.selectionEnd, "end");
    // Go to the first gap, so that it is typed over.
    const gap = /[A-Z]{4,}(?: [A-Z]+)*/.exec(button.dataset.insert);
    const start = text.selectionEnd - button.dataset.insert.length;
    if (gap) text.setSelectionRange(start + gap.index, start + gap.index + gap[0].length);
    text.dispatchEvent(new Event("input", { bubbles: true }));
    button.closest("details").open = false;
    text.focus();
  });
}

// ── the next update's countdown ──
const due = document.querySelector("[data-due]");
if (due) {
  const left = due.querySelector("[data-left]"), until = new Date(due.dataset.due);
  const words = (minutes) => minutes >= 120 ? `${Math.floor(minutes / 60)} hours`
    : minutes >= 60 ? "1 hour" : minutes === 1 ? "1 minute" : `${minutes} minutes`;
  const tick = () => {
    const seconds = (until - Date.now()) / 1000;
    const late = seconds < 0, minutes = Math.max(1, Math.floor(Math.abs(seconds) / 60));
    due.classList.toggle("is-late", late);
    left.textContent = late ? `${words(minutes)} late` : `in ${words(minutes)}`;
  };
  tick();
  setInterval(tick, 5000);
}

// ── order by drag ──
for (const tree of document.querySelectorAll("[data-sort]")) {
  const form = document.getElementById(tree.dataset.sort);
  if (!form) continue;
  let dragged;
  const clear = () => tree.querySelectorAll(".is-over").forEach((one) => one.classList.remove("is-over"));
  tree.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("[data-item]");
    dragged.classList.add("is-dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.item);
    event.stopPropagation();
  });
  tree.addEventListener("dragend", () => { clear(); dragged?.classList.remove("is-dragged"); dragged = null; });
  tree.addEventListener("dragover", (event) => {
    const over = event.target.closest("[data-item]");
    if (!dragged || !over || over === dragged || dragged.contains(over)) return;
    event.preventDefault();
    clear();
    over.classList.add("is-over");
  });
  tree.addEventListener("drop", (event) => {
    const over = event.target.closest("[data-item]");
    if (!dragged || !over || over === dragged || dragged.contains(over)) return;
    event.preventDefault();
    const inGroup = over.dataset.item.startsWith("g-") && dragged.dataset.item.startsWith("c-")
      && event.clientY > over.firstElementChild.getBoundingClientRect().top + over.firstElementChild.offsetHeight / 2;
    if (dragged.dataset.item.startsWith("g-") && over.parentElement !== tree) return;
    if (inGroup) over.querySelector("ul").prepend(dragged);
    else if (event.clientY > over.getBoundingClientRect().top + over.offsetHeight / 2) over.after(dragged);
    else over.before(dragged);
    form.elements.order.value = [...tree.querySelectorAll("[data-item]")].map((one) => {
      const group = one.parentElement.dataset.group;
      return group ? `${one.dataset.item}/${group}` : one.dataset.item;
    }).join(" ");
    form.submit();
  });
}
