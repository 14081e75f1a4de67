// Shows what the page tells this browser. Keeps nothing and answers no request of the page.
addEventListener("install", () => skipWaiting());

addEventListener("push", (event) => {
  let told = {};
  try { told = event.data.json() } catch { /* Nothing was said: it is shown that something was sent. */ }
  event.waitUntil(Promise.all([show(told), told.confirm && confirm(told.confirm)]));
});

addEventListener("notificationclick", (event) => {
  const { url = "/", manage } = event.notification.data || {};
  event.notification.close();
  event.waitUntil(open(event.action === "manage" ? manage : url));
});

// The browser was given another address: what is subscribed moves along.
addEventListener("pushsubscriptionchange", (event) => event.waitUntil(move(event)));

const show = ({ title = "Status", body = "Something changed.", tag = "", url, manage }) =>
  registration.showNotification(title, {
    body, tag, renotify: tag !== "", icon: "/icon.png", lang: "en", data: { url, manage },
    actions: manage ? [{ action: "manage", title: "Manage" }] : [],
  });

// Only who holds the keys could read it, so this browser is the one that asked.
const confirm = async (link) => {
  await fetch(new URL(link).pathname, { method: "POST", credentials: "omit" });
  for (const page of await clients.matchAll({ includeUncontrolled: true })) page.postMessage("confirmed");
};

const open = async (url) => {
  const address = new URL(url, location.href).href;
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const shown = pages.find((page) => page.url === address);
  return shown ? shown.focus() : clients.openWindow(address);
};

const move = async ({ oldSubscription: old, newSubscription }) => {
  if (!old) return;
  const subscription = newSubscription || await registration.pushManager.subscribe(old.options);
  await fetch("/subscribe/push/moved", {
    method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ old, subscription }),
  });
};
