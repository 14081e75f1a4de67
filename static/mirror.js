// On every page of a mirror: says how old the copy is, and plainly once it is old.
// The moment and the age in seconds are filled in with each making.
(() => {
  let made = new Date("{made}");
  const doc = document, age = new URL("copy.json", doc.currentScript.src);
  const DAY = { timeZone: "UTC", day: "numeric", month: "long" };

  const show = () => {
    const box = doc.getElementById("copy");
    if (!box) return;
    const old = Date.now() - made > "{old}" * 1000, [day, time] = made.toISOString().split("T");
    const isToday = new Date().toISOString().startsWith(day);
    const date = isToday ? "" : made.toLocaleDateString("en-GB", DAY) + ", ";
    let words = `This copy was made at ${date}${time.slice(0, 5)} UTC.`;
    if (old) words += " Newer information may be missing.";
    const link = box.querySelector("a");
    if (link) words += " The original: ";
    if (box.told === words) return;
    box.told = words;
    box.hidden = "quiet" in box.dataset && !old;
    box.replaceChildren(words, ...(link ? [link] : []));
  };
  const ask = async () => {
    try {
      const answer = await fetch(age, { cache: "no-cache" });
      if (answer.ok) made = new Date((await answer.json()).made_at);
    } catch { /* The copy in hand goes on telling its own age. */ }
    show();
  };

  show();
  setInterval(show, 5000);
  // A page that stays open learns that the copy was made anew.
  if (location.protocol !== "file:") setInterval(() => { if (!doc.hidden) ask() }, 60000);
})();
