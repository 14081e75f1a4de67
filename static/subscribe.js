// Adds this browser to the ways of the form, where it can be notified.
(() => {
  const form = document.querySelector("form[data-push-key]"), chips = form && form.querySelector(".chips");
  if (!chips) return;
  const make = (name, values, ...children) => {
    const made = Object.assign(document.createElement(name), values);
    made.append(...children);
    return made;
  };
  if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) {
    if (navigator.standalone === false) chips.after(make("p", { className: "help", textContent:
      "An iPhone or iPad can notify you too: tap Share, then “Add to Home Screen”, and subscribe from there." }));
    return;
  }

  // ── the way and its button ──
  const mine = make("input", { type: "radio", name: "channel", value: "web_push" });
  const email = chips.querySelector("[value=email]");
  const next = email ? [...chips.querySelectorAll("label")].find((label) => !label.contains(email)) : chips.firstChild;
  chips.insertBefore(make("label", {}, mine, " ", make("span", { textContent: "This browser" })), next || null);
  if (!chips.querySelector(":checked")) mine.checked = true;
  chips.after(make("div", { className: "way push" }, make("p", { className: "help", textContent:
    "No address needed. Your browser asks for permission; notifications arrive even when this page is closed." })));
  const button = form.querySelector(".go"), said = make("p", { className: "help" });
  const words = button.textContent;
  said.setAttribute("role", "status");
  button.parentNode.after(said);
  const label = () => { button.textContent = mine.checked ? "Notify me in this browser" : words };
  form.addEventListener("change", label);
  form.addEventListener("submit", (event) => {
    if (!mine.checked) return;
    event.preventDefault();
    button.disabled = true;
    said.textContent = "One moment …";
    subscribe().catch((error) => { said.textContent = error.said || TROUBLE })
      .finally(() => { button.disabled = false });
  });

  const TROUBLE = "This didn’t work: the browser couldn’t reach its push service. Nothing was saved. Try again, or choose another channel.";
  const DENIED = "Your browser blocks notifications from this page. Allow them in its settings for this site, then try again.";
  const refuse = (words) => { throw Object.assign(new Error(words), { said: words }) };

  // ── asking ──
  const subscribe = async () => {
    if (await Notification.requestPermission() !== "granted") refuse(DENIED);
    await navigator.serviceWorker.register("/push-worker.js");
    const subscription = await pushed((await navigator.serviceWorker.ready).pushManager);
    const chosen = new FormData(form);
    const { answer, told } = await post("", {
      subscription, scope: chosen.get("scope") || "all", wants: chosen.get("wants"),
      component: chosen.getAll("component"), group: chosen.getAll("group"),
      time_zone: chosen.get("time_zone") || "", incident: chosen.get("incident") || "",
    });
    if (!answer.ok) refuse(told.error);
    said.textContent = told.state === "active" ? "Saved."
      : "We sent a notification to this browser. Once it arrives, you’re subscribed.";
    stand(told);
  };
  const pushed = async (manager) => {
    const options = { userVisibleOnly: true, applicationServerKey: form.dataset.pushKey };
    try { return await manager.subscribe(options) } catch (error) {
      const old = await manager.getSubscription();
      if (error.name !== "InvalidStateError" || !old) throw error;
      // It is bound to a key that this page had before.
      await old.unsubscribe();
      return manager.subscribe(options);
    }
  };
  const post = async (path, body) => {
    const answer = await fetch("/subscribe/push" + path, {
      method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    return { answer, told: await answer.json().catch(() => ({ error: TROUBLE })) };
  };

  // ── what is subscribed ──
  let shown;
  const stand = ({ state, manage, leave }) => {
    // Unchanged: a button that is being pressed must not be replaced under the finger.
    if (shown?.isConnected && shown.dataset.state === state) return;
    const words = { active: "This browser gets notifications.", unconfirmed: "Waiting for the first notification to arrive.",
      quarantined: "We couldn’t reach this browser, so we paused notifications." }[state];
    const stop = make("button", { type: "button", className: "btn", textContent: "Turn off" });
    stop.onclick = async () => {
      stop.disabled = true;
      const left = await fetch(leave, { method: "POST", credentials: "omit" }).catch(() => ({}));
      if (!left.ok) return void (stop.disabled = false);
      shown.remove();
      said.textContent = "Notifications are off. We’ve deleted what we stored about this browser.";
    };
    const next = make("section", { className: "card sub", id: "this-browser" }, make("p", {}, words, " ",
      make("a", { href: manage, textContent: "Manage subscription" })), make("p", {}, stop));
    next.dataset.state = state;
    shown?.remove();
    form.before(shown = next);
  };
  const look = async () => {
    const registration = await navigator.serviceWorker.getRegistration("/");
    const subscription = registration && await registration.pushManager.getSubscription();
    if (!subscription) return;
    const { answer, told } = await post("/known", { subscription, incident: form.elements.incident?.value || "" });
    if (!answer.ok) return;
    if (told.state === "active" && shown) said.textContent = "You’re subscribed.";
    stand(told);
  };
  navigator.serviceWorker.addEventListener("message", () => look().catch(() => {}));
  look().catch(() => {});
  label();
})();
