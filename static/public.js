// Adds to a page that is complete without it: the reader's times, how long ago,
// and news as it comes. Needs nothing else.
(() => {
  const doc = document, base = doc.documentElement.dataset.zone;
  const live = doc.getElementById("live"), foot = doc.getElementById("zone");
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const ago = new Intl.RelativeTimeFormat("en", { numeric: "always" });
  const WEEK = 6048e5;
  let utc = false;
  try { utc = sessionStorage.utc === "1" } catch { /* Forbidden: forgotten with the page. */ }

  // ── times ──
  const write = (at, timeZone, options) =>
    new Intl.DateTimeFormat("en-GB", { timeZone, ...options }).format(at).replace("Sept", "Sep");
  const clock = { hour: "2-digit", minute: "2-digit" }, day = { day: "numeric", month: "short" };
  const abbreviation = (at, timeZone) => new Intl.DateTimeFormat("en-GB", { timeZone, timeZoneName: "short" })
    .formatToParts(at).find((part) => part.type === "timeZoneName").value;
  const distance = (at) => {
    const s = (at - Date.now()) / 1000, n = Math.abs(s);
    if (n < 60) return s < 0 ? "just now" : "in a moment";
    const [unit, size] = n < 5400 ? ["minute", 60] : n < 129600 ? ["hour", 3600] : ["day", 86400];
    return ago.format(Math.trunc(s / size) || Math.sign(s), unit);
  };
  const show = () => {
    const zone = utc ? "UTC" : mine;
    for (const el of doc.querySelectorAll("time, [data-at]")) {
      const at = new Date(el.dateTime || el.dataset.at);
      const plain = el.plain ??= el.textContent;
      if (!plain.includes(":")) continue;
      const moved = write(at, zone, { ...day, year: "numeric" }) !== write(at, base, { ...day, year: "numeric" });
      const year = /\d{4}/.test(plain) && { year: "numeric" };
      const date = /[A-Z]/.test(plain) || moved ? write(at, zone, { ...day, ...year }) + ", " : "";
      el.textContent = date + write(at, zone, clock);
      if (el.dataset.r && Date.now() - at < WEEK) el.append(rel(el.dataset.r + distance(at)));
    }
    for (const el of doc.querySelectorAll("[data-ago]")) el.textContent = el.dataset.r + distance(new Date(el.dataset.ago));
    for (const el of doc.querySelectorAll("[data-z]")) el.textContent = abbreviation(new Date(el.dataset.z), zone);
    foot.textContent = utc ? "All times in UTC" : `All times in your time zone (${abbreviation(new Date(), mine)})`;
    foot.append(rel(" · "), toggle);
    toggle.textContent = utc ? "show local times" : "show UTC";
  };
  const rel = (words) => Object.assign(doc.createElement("span"), { className: "rel", textContent: words });
  const toggle = Object.assign(doc.createElement("button"), { type: "button", className: "link" });
  toggle.onclick = () => {
    utc = !utc;
    try { sessionStorage.utc = utc ? "1" : "" } catch { /* As above. */ }
    show();
    toggle.focus();
  };

  // ── news ──
  const news = (main) => {
    const latest = main.querySelector(".timeline > li");
    return [main.querySelector("h1"), latest].map((el) => el ? el.textContent.trim().replace(/\s+/g, " ") : "").join(". ");
  };
  let main = doc.getElementById("main"), source = main.innerHTML, told = news(main), opened;
  const remember = () => { opened = new Map([...main.querySelectorAll("details[id]")].map((el) => [el.id, el.open])) };
  const swap = (next) => {
    const focused = main.contains(doc.activeElement) && doc.activeElement;
    const chosen = [...main.querySelectorAll("details[id]")].filter((el) => el.open !== opened.get(el.id));
    const mark = scrollY > 0 && [...main.querySelectorAll("[id]")].find((el) => el.getBoundingClientRect().bottom > 0);
    const top = mark && mark.getBoundingClientRect().top;
    const place = focused && where(focused);
    source = next.innerHTML;
    main.replaceWith(main = doc.adoptNode(next));
    remember();
    for (const el of chosen) { const same = doc.getElementById(el.id); if (same) same.open = el.open }
    show();
    const same = mark && doc.getElementById(mark.id);
    if (same) scrollBy({ top: same.getBoundingClientRect().top - top, behavior: "instant" });
    if (place) main.querySelector(place)?.focus({ preventScroll: true });
  };
  const where = (el) => {
    if (el.id) return "#" + CSS.escape(el.id);
    const near = el.closest("[id]"), self = el.localName + (el.getAttribute("href") ? `[href="${CSS.escape(el.getAttribute("href"))}"]` : "");
    return (near && near !== main ? `#${CSS.escape(near.id)} ` : "") + self;
  };

  // ── asking for them ──
  let timer, tag, wait = 30;
  const plan = () => {
    clearTimeout(timer);
    if (!doc.hidden) timer = setTimeout(ask, wait * 1000 * (0.85 + Math.random() * 0.3));
  };
  const ask = async () => {
    try {
      // The browser sends If-None-Match for us and hands over its copy on a 304.
      const answer = await fetch(location.pathname + location.search, { cache: "no-cache" });
      if (!answer.ok) throw answer.status;
      if (answer.headers.get("ETag") !== tag) {
        tag = answer.headers.get("ETag");
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.getElementById("main");
        if (page.querySelector("style").textContent !== doc.querySelector("style").textContent) return location.reload();
        // What somebody types is worth more than a component's new name.
        if (next.innerHTML !== source && !main.querySelector("form")) {
          const words = news(next);
          swap(next);
          doc.title = page.title;
          if (words !== told) live.textContent = "Updated: " + (told = words);
        }
      }
      wait = 30;
    } catch { wait = Math.min(wait * 2, 600) }
    plan();
  };
  doc.addEventListener("visibilitychange", () => doc.hidden ? clearTimeout(timer) : ask());
  addEventListener("beforeprint", () => main.querySelectorAll("details").forEach((el) => { el.open = true }));

  const kept = doc.querySelector("[name=time_zone]");
  if (kept) kept.value = mine;
  remember();
  show();
  setInterval(show, 30000);
  plan();
})();
