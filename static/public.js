// Adds to a page that is complete without it: the reader's times, how long ago,
// and news as it comes. Needs nothing else.
(() => {
  const doc = document, base = doc.documentElement.dataset.zone, $ = (id) => doc.getElementById(id);
  const live = $("live"), foot = $("zone"), fresh = $("fresh"), lostBar = $("lost");
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const ago = new Intl.RelativeTimeFormat("en", { numeric: "always" });
  const make = (tag, values, ...inside) => { const el = Object.assign(doc.createElement(tag), values); el.append(...inside); return el };
  const WEEK = 6048e5;
  let utc = false, checked = Date.now(), failed = 0;
  try { utc = sessionStorage.utc === "1" } catch { /* Forbidden: forgotten with the page. */ }
  // Once the connection is lost, time stands still: what is shown belongs to the last check.
  const isLost = () => failed > 1, now = () => isLost() ? checked : Date.now();

  // ── times: words in English, zone names and the clock as the browser's language has them ──
  const half = /^h1/.test(Intl.DateTimeFormat([], { hour: "numeric" }).resolvedOptions().hourCycle);
  const KINDS = {
    clock: half ? ["en-US", { hour: "numeric", minute: "2-digit", hour12: true }] : ["en-GB", { hour: "2-digit", minute: "2-digit" }],
    day: ["en-GB", { day: "numeric", month: "short" }],
    key: ["sv", {}],
    name: [[], { timeZoneName: "short" }],
  };
  const formats = {};
  let zone = mine;
  const format = (kind) => formats[kind + zone] ??= new Intl.DateTimeFormat(KINDS[kind][0], { ...KINDS[kind][1], timeZone: zone });
  const clock = (at) => format("clock").format(at), key = (at) => format("key").format(at);
  const named = (at) => format("name").formatToParts(at).find((part) => part.type === "timeZoneName").value;
  const dayOf = (at) => {
    const year = key(at).slice(0, 4);
    return format("day").format(at).replace("Sept", "Sep") + (year === key(now()).slice(0, 4) ? "" : " " + year);
  };
  const point = (at, style) =>
    (style === "full" || style !== "clock" && key(at) !== key(now()) ? dayOf(at) + ", " : "") + clock(at);
  // The same rules as `Times.span`: a date at both ends if they differ, a zone at both if they differ.
  const span = (from, to, style) => {
    const first = named(from), last = named(to ?? from), between = first === last ? "" : " " + first;
    if (!to) return `${point(from, style)} ${first} – now`;
    if (key(from) === key(to)) return point(from, style) + (between ? between + " – " : "–") + clock(to) + " " + last;
    return `${point(from, "full")}${between} – ${point(to, "full")} ${last}`;
  };
  const distance = (at) => {
    const s = (at - now()) / 1000, n = Math.abs(s);
    if (n < 60) return s < 0 ? "just now" : "in a moment";
    const [unit, size] = n < 5400 ? ["minute", 60] : n < 129600 ? ["hour", 3600] : ["day", 86400];
    return ago.format(Math.trunc(s / size) || Math.sign(s), unit);
  };
  const rel = (textContent) => make("span", { className: "rel", textContent });
  const all = (selector, write) => { for (const el of main.querySelectorAll(selector)) write(el, el.dataset) };
  const show = () => {
    zone = utc ? "UTC" : mine;
    regroup();
    all("time", (el, { r, s }) => {
      const at = new Date(el.dateTime);
      if (!(el.plain ??= el.textContent).includes(":")) return;
      el.textContent = point(at, s);
      if (r && now() - at < WEEK) el.append(rel(r + distance(at)));
    });
    all("[data-from]", (el, { from, to, s }) => {
      const begin = new Date(from), end = to && new Date(to);
      const month = el.closest("[data-month]")?.dataset.month;
      // Under a month of the page's calendar that is not the reader's, the page's time stays.
      zone = utc ? "UTC" : mine;
      if (month && !key(end || now()).startsWith(month)) zone = base;
      el.textContent = span(begin, end, s);
      zone = utc ? "UTC" : mine;
    });
    all("[data-ago]", (el, data) => { el.textContent = ", " + distance(new Date(data.ago)) });
    all("[data-left]", (el, { left }) => {
      const minutes = Math.ceil((new Date(left) - now()) / 6e4), h = Math.floor(minutes / 60), m = minutes % 60;
      el.textContent = minutes > 0 ? `, ${h ? h + " h " : ""}${m || !h ? m + " min " : ""}left` : ", about to end";
    });
    all("[data-z]", (el, { z }) => { el.textContent = named(new Date(z)) });
    all(".axis", labels);
    foot.textContent = utc ? "All times in UTC" : `All times in your time zone (${named(new Date())})`;
    if (named(new Date()) !== "UTC" || utc && mine !== "UTC") foot.append(rel(" · "), toggle);
    toggle.textContent = utc ? "show local times" : "show UTC";
  };
  // Times below a strip have no date; the first and the last stay, then those that touch none.
  const labels = (svg) => {
    const kept = [], texts = [...svg.querySelectorAll("text")];
    for (const el of texts) el.textContent = clock(new Date(el.dataset.at));
    for (const el of new Set([texts[0], texts.at(-1), ...texts].filter(Boolean))) {
      const box = el.getBoundingClientRect();
      const clear = kept.every((other) => box.left > other.right + 4 || box.right < other.left - 4);
      el.setAttribute("visibility", clear ? "visible" : "hidden");
      if (clear) kept.push(box);
    }
  };
  // The past belongs under the days of the zone that is shown; quiet days stay folded.
  const regroup = () => {
    const past = $("past");
    if (!past) return;
    const entries = [...past.querySelectorAll("[data-day]")], today = key(now());
    const noon = (offset) => new Date(Date.parse(today + "T12:00Z") - offset * 864e5);
    const quiet = (textContent) => make("p", { className: "quiet", textContent });
    const row = (heading, body) => past.append(make("div", { className: "day" }, make("h3", { textContent: heading }), body));
    const shown = zone, days = new Map(entries.map((el) => [key(new Date(el.dataset.day)), []]));
    for (const el of entries) days.get(key(new Date(el.dataset.day))).push(el);
    for (const el of past.querySelectorAll(".day")) el.remove();
    zone = "UTC";
    let calm = [];
    const fold = () => {
      if (!calm.length) return;
      const last = dayOf(calm[0]), first = dayOf(calm.at(-1)), month = last.replace(/^\d+/, "");
      row(first === last ? last : first.endsWith(month) && first.replace(/^\d+/, "") === month
        ? `${parseInt(first)}–${last}` : `${first} – ${last}`, quiet("No incidents reported."));
      calm = [];
    };
    for (let n = 0; n < 15 || days.size; n++) {
      const at = noon(n), found = days.get(at.toISOString().slice(0, 10));
      days.delete(at.toISOString().slice(0, 10));
      if (n && !found) { calm.push(at); if (n > 40) break; continue }
      fold();
      row(n ? dayOf(at) : "Today", found ? make("div", {}, ...found) : quiet(past.dataset.today ?? "No incidents reported."));
    }
    fold();
    zone = shown;
  };
  const toggle = make("button", { type: "button", className: "link" });
  toggle.onclick = () => {
    utc = !utc;
    try { sessionStorage.utc = utc ? "1" : "" } catch { /* As above. */ }
    show();
    toggle.focus();
  };

  // ── days: a line on hover and focus, minutes and incidents once opened ──
  const target = (event) => event.target.closest?.(".bar a");
  // What a day says stands on the component's page, in the list that its link leads to.
  const listOf = async (link) => {
    const path = link.getAttribute("href").split("#")[0];
    if (!path) return doc;
    const answer = await fetch(path, { signal: AbortSignal.timeout(15000) });
    if (!answer.ok) throw answer.status;
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };
  const close = () => {
    main.querySelector(".pop")?.remove();
    for (const el of main.querySelectorAll("a.on")) el.classList.remove("on"), el.removeAttribute("aria-expanded");
  };
  let dayShown;
  const open = async (link) => {
    close();
    dayShown = link.getAttribute("href");
    link.classList.add("on");
    link.setAttribute("aria-expanded", true);
    let list, failed;
    try { list = await listOf(link) } catch { failed = true }
    if (!link.classList.contains("on")) return;
    const shown = [];
    for (let item = list?.getElementById(dayShown.split("#")[1]); item && shown.length < (link.dataset.days ?? 1); item = item.nextElementSibling) shown.push(doc.importNode(item, true));
    if (failed || !shown.length) return location.assign(link.href.baseVal);
    for (const el of shown) el.dataset.date = el.id, el.removeAttribute("id");
    const bar = link.closest(".ninety") ?? link.closest(".bar");
    const below = bar.nextElementSibling?.matches(".legend") ? bar.nextElementSibling : bar;
    below.after(make("div", { className: "pop", role: "group", ariaLabel: "Opened day" },
      make("button", { type: "button", className: "link close", textContent: "Close", onclick() { dayShown = null; close(); link.focus() } }),
      make("ol", { className: "dates" }, ...shown)));
    show();
  };
  const untip = () => main.querySelector(".tip")?.remove();
  const tip = (event) => {
    untip();
    const link = target(event);
    if (!link) return;
    const title = link.querySelector("title");
    if (title) { link.ariaLabel = title.textContent; title.remove() }
    const bar = link.closest(".bar"), box = link.getBoundingClientRect(), around = main.getBoundingClientRect();
    const el = make("div", { className: "tip", ariaHidden: true, textContent: link.ariaLabel });
    bar.after(el);
    const half = el.offsetWidth / 2;
    el.style.left = Math.min(Math.max(box.left + box.width / 2, around.left + half), around.right - half) + scrollX + "px";
    el.style.top = bar.getBoundingClientRect().top + scrollY + "px";
  };
  for (const type of ["pointerover", "focusin"]) doc.addEventListener(type, tip);
  for (const type of ["pointerout", "focusout"]) doc.addEventListener(type, untip);
  doc.addEventListener("click", (event) => {
    const link = target(event);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    untip();
    if (!link.classList.contains("on")) return open(link);
    dayShown = null;
    close();
  });
  doc.addEventListener("keydown", ({ key }) => { if (key === "Escape") { untip(); main.querySelector(".close")?.click() } });

  // ── finding a component ──
  const find = (words = "") => {
    const box = $("find"), q = $("q");
    if (!box) return;
    box.hidden = false;
    q.value = words;
    q.oninput = () => {
      const wanted = q.value.trim().toLowerCase();
      for (const el of main.querySelectorAll(".board .component")) el.hidden = !el.querySelector(".name").textContent.toLowerCase().includes(wanted);
      const has = (el) => el.querySelector(".component:not([hidden])");
      for (const el of main.querySelectorAll(".board > *, .fold")) {
        el.hidden = !has(el);
        if (wanted) { el.was ??= el.open; el.open = true } else if (el.was !== undefined) { el.open = el.was; el.was = undefined }
      }
      $("count").textContent = wanted ? `${main.querySelectorAll(".board .component:not([hidden])").length} found` : "";
    };
    if (words) q.oninput();
  };

  // ── is this still the truth? ──
  const age = () => {
    const s = Math.round((Date.now() - checked) / 1000);
    fresh.className = isLost() ? "lost" : "";
    fresh.textContent = isLost() ? "Checked " + point(checked)
      : "Checked " + (s < 5 ? "just now" : s < 60 ? s - s % 5 + " s ago" : Math.trunc(s / 60) + " min ago");
  };
  const connection = () => {
    if (isLost() === Boolean(lostBar.firstChild)) return;
    zone = utc ? "UTC" : mine;
    lostBar.replaceChildren();
    if (isLost()) {
      const again = make("button", { type: "button", className: "btn", textContent: "Try again", onclick: ask });
      lostBar.append(make("p", { className: "lost" },
        make("span", {}, make("b", { textContent: `Not connected since ${point(checked)} ${named(checked)}.` }), " What you see may be old."), again));
      live.textContent = "Not connected. What you see may be old.";
    } else live.textContent = "Connected again.";
    show();
  };

  // ── news ──
  const words = (el) => el ? el.textContent.trim().replace(/\s+/g, " ") : "";
  // Of each update that is shown: its words, with the incident's name where there are several.
  const told = (main) => new Map([...main.querySelectorAll("[data-step]")].map((el) => {
    const perm = el.querySelector(".perm"), name = words(el.closest("article")?.querySelector("h2"));
    return [perm.hash, { el, at: perm.querySelector("time").dateTime, said: `${name && name + ": "}${el.dataset.step}: ${words(el.querySelector(".text"))}` }];
  }));
  let main = $("main"), source = main.innerHTML, heading = words(main.querySelector("h1")), known = told(main), marked = new Set(), opened;
  const tell = () => {
    const next = told(main), title = words(main.querySelector("h1"));
    // An older one may come in view because fewer incidents are open.
    const last = [...known.values()].reduce((newest, { at }) => at > newest ? at : newest, "");
    const added = [...next.keys()].filter((id) => !known.has(id) && next.get(id).at >= last);
    for (const id of added) marked.add(id);
    for (const id of marked) next.get(id)?.el.classList.add("new");
    const count = added.length && `${added.length} new update${added.length > 1 ? "s" : ""}`;
    if (count) {
      live.textContent = `${count}. ${added.map((id) => next.get(id).said).join(" ")}`;
      const first = next.get(added[0]).el;
      first.id ||= added[0].slice(1);
      doc.querySelector(".news")?.remove();
      live.after(make("a", { className: "news", href: "#" + first.id, textContent: count, onclick() { this.remove() } }));
    } else if (title !== heading) live.textContent = "Updated: " + title;
    known = new Map([...known, ...next]);
    heading = title;
  };
  const remember = () => { opened = new Map([...main.querySelectorAll("details[id]")].map((el) => [el.id, el.open])) };
  const swap = (next) => {
    const focused = main.contains(doc.activeElement) && doc.activeElement;
    const chosen = [...main.querySelectorAll("details[id]")].filter((el) => el.open !== opened.get(el.id));
    const mark = scrollY > 0 && [...main.querySelectorAll("[id]")].find((el) => el.getBoundingClientRect().bottom > 0);
    const top = mark && mark.getBoundingClientRect().top;
    const place = focused && where(focused), sought = $("q")?.value;
    source = next.innerHTML;
    main.replaceWith(main = doc.adoptNode(next));
    remember();
    for (const el of chosen) { const same = $(el.id); if (same) same.open = el.open }
    show();
    find(sought);
    const link = dayShown && main.querySelector(`.bar a[href="${CSS.escape(dayShown)}"]`);
    if (link) open(link);
    const same = mark && $(mark.id);
    if (same) scrollBy({ top: same.getBoundingClientRect().top - top, behavior: "instant" });
    if (place) main.querySelector(place)?.focus({ preventScroll: true });
  };
  const where = (el) => {
    if (el.id) return "#" + CSS.escape(el.id);
    const near = el.closest("[id]"), self = el.localName + (el.getAttribute("href") ? `[href="${CSS.escape(el.getAttribute("href"))}"]` : "");
    return (near && near !== main ? `#${CSS.escape(near.id)} ` : "") + self;
  };

  // ── asking for them ──
  let timer, tag;
  const plan = () => {
    clearTimeout(timer);
    // A second look soon after the first failure, then more and more seldom.
    const wait = failed === 1 ? 10 : Math.min(30 * 2 ** Math.max(failed - 1, 0), 600);
    if (!doc.hidden) timer = setTimeout(ask, wait * 1000 * (0.85 + Math.random() * 0.3));
  };
  const ask = async () => {
    clearTimeout(timer);
    try {
      // The browser sends If-None-Match for us and hands over its copy on a 304.
      const answer = await fetch(location.pathname + location.search, { cache: "no-cache", signal: AbortSignal.timeout(15000) });
      if (!answer.ok) throw answer.status;
      const text = answer.headers.get("ETag") !== tag && await answer.text();
      checked = Date.now();
      failed = 0;
      if (text) {
        tag = answer.headers.get("ETag");
        const page = new DOMParser().parseFromString(text, "text/html");
        const next = page.getElementById("main");
        if (page.querySelector("style").textContent !== doc.querySelector("style").textContent) return location.reload();
        // What somebody types is worth more than a component's new name.
        if (next.innerHTML !== source && !main.querySelector("form[method=post], form:focus-within")) {
          swap(next);
          doc.title = page.title;
          $("icon").href = page.getElementById("icon").href;
          tell();
        }
      }
    } catch { failed++ }
    connection();
    age();
    plan();
  };
  doc.addEventListener("visibilitychange", () => doc.hidden ? clearTimeout(timer) : ask());
  addEventListener("online", () => { failed = Math.min(failed, 1); plan() });
  addEventListener("resize", () => main.querySelectorAll(".axis").forEach(labels));
  addEventListener("beforeprint", () => main.querySelectorAll("details").forEach((el) => { el.open = true }));

  const kept = doc.querySelector("[name=time_zone]");
  if (kept) kept.value = mine;
  remember();
  show();
  find();
  age();
  setInterval(show, 30000);
  setInterval(age, 5000);
  plan();
})();
