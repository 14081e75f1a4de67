// <status-page> for other sites: says what is wrong, and nothing while all is well
// (with show="always" that too). Asks once a minute, and only while it can be seen.
(() => {
const doc = document, home = doc.currentScript && new URL(doc.currentScript.src).origin;
if (!home || customElements.get("status-page")) return;
const all = new Set(), css = new CSSStyleSheet();
css.replaceSync(`:host{all:initial;display:block;color-scheme:light dark}
:host([hidden]){display:none}
a{display:block;padding:.75em 1em;border:1px solid;border-left-width:.4em;border-radius:.5em;font:1em/1.4 system-ui,sans-serif;text-decoration:none;overflow-wrap:anywhere;color:light-dark(#b3261e,#ff7a70);background:color-mix(in srgb,currentColor 9%,light-dark(#fff,#131416))}
.ok{color:light-dark(#187849,#4cc38a)}
.none{color:light-dark(#62646a,#a0a3aa)}
.degraded{color:light-dark(#8a6000,#e5b93c)}
.partial{color:light-dark(#ad4b18,#f58a52)}
.maint{color:light-dark(#3559c2,#86a6ff)}
a:focus-visible{outline:3px solid;outline-offset:2px}
b{display:block;color:light-dark(#1c1d1f,#ececea)}
span{font-size:.875em;color:light-dark(#5c5e64,#a8abb2)}`);

// The card has the banner's words. Its text is cut out, not parsed: that runs nothing, applies no
// style, and needs no favour of a site's policy of trusted types.
const SIGNS = { amp: "&", lt: "<", gt: ">", "#34": '"', "#39": "'" };
const plain = (html) => html.replace(/<[^>]*>/g, "").replace(/&(#?\w+);/g, (sign, name) => SIGNS[name] ?? sign).replace(/\s+/g, " ").trim();
const read = (html) => {
  const [, tone, card] = html.match(/<main class="(\w+)">(.*)<\/main>/s);
  const all = (tag) => [...card.matchAll(RegExp(`<${tag}\\b[^>]*>(.*?)</${tag}>`, "gs"))].map((found) => plain(found[1])).filter(Boolean);
  return { tone, title: all("h1")[0], words: all("p").join(" · ") };
};

let news, heard = 0, asked = 0, timer;
const ask = async () => {
  clearTimeout(timer);
  if (doc.hidden || !all.size) return;
  const wait = asked + 6e4 - Date.now();
  timer = setTimeout(ask, wait > 0 ? wait : 6e4);
  if (wait > 0) return;
  asked = Date.now();
  try {
    const answer = await fetch(home + "/embed", { cache: "no-cache" });
    if (!answer.ok) throw answer.status;
    news = read(await answer.text());
    heard = asked;
  } catch {
    // Out of reach: what was said before does not stand for ever.
    if (asked - heard > 6e5) news = null;
  }
  all.forEach((one) => one.tell());
};
doc.addEventListener("visibilitychange", ask);

const make = (tag, values) => Object.assign(doc.createElement(tag), values);
customElements.define("status-page", class extends HTMLElement {
  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [css];
    root.append(this.box = make("div", { role: "status" }));
  }
  connectedCallback() { all.add(this); this.tell(); ask() }
  disconnectedCallback() { all.delete(this) }
  tell() {
    const shown = news && (/maint|degraded|partial|major/.test(news.tone) || this.getAttribute("show") === "always") && news;
    // The same words twice would be read out twice.
    if (this.told === (this.told = JSON.stringify(shown))) return;
    if (!shown) return this.box.replaceChildren();
    const link = make("a", { href: home, target: "_blank", rel: "noopener", className: shown.tone });
    link.append(make("b", { textContent: shown.title }), make("span", { textContent: shown.words }));
    this.box.replaceChildren(link);
  }
});
})();
