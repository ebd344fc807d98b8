// Everything that arrived, drawn from data. Texts from outside only ever become text nodes.
"use strict";
const $ = (id) => document.getElementById(id);
let seen = "", data = null, room = "", thread = "", mail = 0, mailView = "html";
const read = {};

function el(tag, props = {}, ...kids) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value);
  }
  made.append(...kids.filter((kid) => kid !== null && kid !== undefined));
  return made;
}
const safe = (url) => (/^https?:\/\//i.test(url) ? url : null);
const when = (at) => new Date(typeof at === "string" && at.includes("T") ? at : parseFloat(at) * 1000);
const clock = (at) => when(at).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"});
const day = (at) => when(at).toLocaleDateString([], {weekday: "long", day: "numeric", month: "long"});

// -- Slack's mrkdwn, as nodes
const plain = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
// Signs for which not every machine has a picture are drawn by the page itself.
const SIGNS = {"🔴": "critical", "🟠": "warning", "🔵": "info", "✅": "resolved"};
const signed = (text) => text.split(/(🔴|🟠|🔵|✅)/u).map((part) => (SIGNS[part] ? el("span", {class: `sign ${SIGNS[part]}`, role: "img", "aria-label": SIGNS[part]}) : part));
const EMOJI = {red_circle: "🔴", large_green_circle: "🟢", warning: "⚠️", white_check_mark: "✅", bell: "🔔"};
function dated(stamp, form, fallback) {
  const at = new Date(stamp * 1000);
  if (Number.isNaN(at.getTime())) return fallback;
  const today = new Date().toDateString() === at.toDateString();
  const date = at.toLocaleDateString([], {month: "short", day: "numeric"});
  return form.replace(/\{date\w*\}/g, today && form.includes("pretty") ? "Today" : date).replace("{time_secs}", at.toLocaleTimeString())
    .replace("{time}", at.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"}));
}
function angle(inner) {
  const [target, ...rest] = inner.split("|");
  const label = rest.length ? rest.join("|") : "";
  if (target.startsWith("!date^")) {
    const [, stamp, form] = target.split("^");
    return el("span", {title: new Date(stamp * 1000).toString()}, dated(Number(stamp), form, plain(label)));
  }
  if (target.startsWith("@")) return el("span", {class: "mention"}, "@" + (data.people[target.slice(1)] || target.slice(1)));
  if (target.startsWith("!") || target.startsWith("#")) return el("span", {class: "mention"}, "@" + plain(label || target.slice(1)));
  const url = safe(plain(target));
  return url ? el("a", {href: url, target: "_blank", rel: "noopener noreferrer"}, plain(label || target)) : document.createTextNode(plain(label || target));
}
const STYLES = [["*", "b"], ["_", "i"], ["~", "s"]];
function styled(text) {
  const out = [];
  let rest = text;
  while (rest) {
    const found = /(^|[\s(\n])([*_~])(?=\S)([^\n]*?\S)\2(?=$|[\s.,:;!?)\n])|`([^`\n]+)`|:([a-z_]+):/.exec(rest);
    if (!found) { out.push(plain(rest)); break; }
    out.push(plain(rest.slice(0, found.index) + (found[1] || "")));
    if (found[2]) out.push(el(STYLES.find(([mark]) => mark === found[2])[1], {}, ...styled(found[3])));
    else if (found[4]) out.push(el("code", {}, plain(found[4])));
    else out.push(EMOJI[found[5]] || found[0]);
    rest = rest.slice(found.index + found[0].length);
  }
  return out;
}
function mrkdwn(text) {
  // Links first, for their addresses hold marks; what stands between them is styled.
  return text.split(/(<[^<>\n]+>)/).flatMap((part) => (/^<[^<>]+>$/.test(part) ? [angle(part.slice(1, -1))] : styled(part)));
}
const textOf = (object) => (object.type === "mrkdwn" ? mrkdwn(object.text) : [object.text]);

function block(one, message) {
  switch (one.type) {
    case "header": return el("div", {class: "b header"}, ...signed(one.text.text));
    case "divider": return el("hr", {class: "b"});
    case "section": {
      const made = el("div", {class: "b section"});
      if (one.text) made.append(...textOf(one.text));
      if (one.fields) made.append(el("div", {class: "fields"}, ...one.fields.map((field) => el("div", {}, ...textOf(field)))));
      return made;
    }
    case "context": return el("div", {class: "b context"}, ...one.elements.map((part) => el("span", {}, ...(part.type === "image" ? ["🖼"] : textOf(part)))));
    case "actions": return el("div", {class: "b actions"}, ...one.elements.map((button) => pressable(button, message)));
    case "image": return el("p", {class: "b"}, one.alt_text);
    default: return null;
  }
}
function pressable(button, message) {
  return el("button", {class: button.style, on: {click: async (event) => {
    const made = event.currentTarget;
    made.disabled = true;
    const reply = await post("press", {channel: room, ts: message.ts, action_id: button.action_id, user: ME});
    made.disabled = false;
    refreshNow();
    if (!(reply.ok && (await reply.json()).acknowledged)) made.after(el("span", {class: "warn", role: "alert"}, "⚠ The app did not answer"));
  }}}, button.text.text);
}
// -- forms that the app has opened
const ME = "U0ANA00001";
const post = (where, body) => fetch(where, {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body)});
function field(one, fault) {
  const e = one.element, id = `field-${one.block_id}`;
  let made;
  if (e.type === "plain_text_input") {
    made = el(e.multiline ? "textarea" : "input", {id, name: one.block_id, maxlength: e.max_length, placeholder: e.placeholder?.text, rows: e.multiline ? 4 : null});
    made.value = e.initial_value || "";
  } else {
    const options = e.type === "users_select" ? Object.entries(data.people).map(([value, name]) => [value, "@" + name]) : e.options.map((o) => [o.value, o.text.text]);
    made = el("select", {id, name: one.block_id}, el("option", {value: ""}, e.placeholder?.text || "Choose …"), ...options.map(([value, text]) => el("option", {value}, text)));
    made.value = e.initial_option?.value || e.initial_user || "";
  }
  if (fault) made.setAttribute("aria-invalid", "true");
  return el("div", {class: "field"}, el("label", {for: id}, one.label.text, one.optional ? el("span", {class: "soft"}, " (optional)") : null), made,
    one.hint ? el("p", {class: "soft"}, one.hint.text) : null, el("p", {class: "warn", role: "alert"}, fault || ""));
}
function drawView() {
  const view = data.views.filter((v) => v.user === ME).at(-1), dialog = $("view");
  const key = view ? view.id + JSON.stringify(view.faults) : "";
  if (dialog.dataset.key === key) return;
  const typed = new Map([...dialog.querySelectorAll("[name]")].map((one) => [one.name, one.value]));
  const again = view && dialog.dataset.key?.startsWith(view.id);
  dialog.dataset.key = key;
  if (!view) { dialog.close(); dialog.replaceChildren(); return; }
  const form = el("form", {method: "dialog", on: {submit: async (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...form.querySelectorAll("[name]")].map((one) => [one.name, one.value]));
    const reply = await post("submit", {view: view.id, values});
    const said = reply.ok ? await reply.json() : {acknowledged: true, text: await reply.text()};
    form.querySelector(".foot .warn").textContent = said.acknowledged ? said.text || "" : "⚠ The app did not answer";
    refreshNow();
  }}},
  el("h2", {}, view.title.text), ...view.blocks.map((one) => (one.type === "input" ? field(one, view.faults[one.block_id]) : block(one, null))),
  el("div", {class: "foot"}, el("span", {class: "warn", role: "alert"}), el("button", {type: "button", on: {click: async () => { await post("submit", {view: view.id}); refreshNow(); }}}, view.close?.text || "Cancel"),
    view.submit ? el("button", {type: "submit", class: "primary"}, view.submit.text) : null));
  dialog.replaceChildren(form);
  if (again) for (const one of form.querySelectorAll("[name]")) one.value = typed.get(one.name) ?? one.value;
  if (!dialog.open) dialog.showModal();
}
function drawn(message, {inThread = false} = {}) {
  const body = el("div", {}, message.only ? el("div", {class: "broadcast"}, `👁 Only visible to @${data.people[message.only]}`) : null,
    el("div", {class: "who"}, el("b", {}, "Paceline"), el("span", {class: "app"}, "APP"), el("time", {title: when(message.ts).toString()}, clock(message.ts))));
  if (message.subtype === "thread_broadcast" && !inThread) body.append(el("div", {class: "broadcast"}, "replied to a thread:"));
  if (message.blocks) body.append(...message.blocks.map((one) => block(one, message)).filter(Boolean));
  else if (message.text) body.append(el("div", {class: "b section"}, ...mrkdwn(message.text)));
  for (const file of message.files || []) {
    body.append(el("figure", {class: "file"}, el("figcaption", {}, file.title), el("img", {src: `files/${encodeURIComponent(file.id)}`, alt: file.alt_txt || file.title})));
  }
  if (message.edited) body.append(el("span", {class: "edited"}, "(edited)"));
  if (message.reply_count && !inThread) {
    body.append(el("div", {}, el("button", {class: "more", on: {click: () => { thread = message.ts; draw(); }}}, `${message.reply_count} ${message.reply_count === 1 ? "reply" : "replies"}`)));
  }
  return el("article", {class: "msg"}, el("div", {class: "avatar", "aria-hidden": "true"}, "P"), body);
}
function fill(stream, nodes, key) {
  const down = stream.scrollHeight - stream.scrollTop - stream.clientHeight < 60 || stream.dataset.key !== key;
  stream.dataset.key = key;
  stream.replaceChildren(...nodes);
  if (down) stream.scrollTop = stream.scrollHeight;
}
function drawSlack() {
  const channels = data.slack;
  if (!channels.some((c) => c.id === room)) {
    const last = channels.filter((c) => c.messages.length).sort((a, b) => b.messages.at(-1).ts - a.messages.at(-1).ts)[0];
    room = (last || channels[0]).id;
  }
  const here = channels.find((c) => c.id === room);
  read[room] = here.messages.length;
  $("team").textContent = data.team;
  $("rooms").replaceChildren(...channels.filter((c) => c.messages.length || !/^(old|lead)/.test(c.name)).map((c) =>
    el("button", {"aria-current": String(c.id === room), class: c.messages.length > (read[c.id] || 0) ? "fresh" : "", on: {click: () => { room = c.id; thread = ""; draw(); }}}, (c.direct ? "● " : "# ") + c.name)));
  $("room").textContent = (here.direct ? "" : "# ") + here.name;
  $("topic").textContent = here.topic;
  const nodes = [];
  let last = "";
  for (const message of here.messages.filter((m) => !m.hidden)) {
    if (day(message.ts) !== last) nodes.push(el("div", {class: "day"}, (last = day(message.ts))));
    nodes.push(drawn(message));
  }
  fill($("stream"), nodes.length ? nodes : [el("p", {class: "empty"}, "Nothing has arrived here yet.")], room);
  const parent = here.messages.find((m) => m.ts === thread);
  $("thread").hidden = !parent;
  if (parent) fill($("replies"), here.messages.filter((m) => m.ts === thread || m.thread_ts === thread).map((m) => drawn(m, {inThread: true})), thread);
}

// -- mail
const header = (one, name) => (one.headers.find(([n]) => n.toLowerCase() === name) || ["", ""])[1];
function drawMail() {
  const mails = [...data.mail].reverse();
  if (!mails.length) {
    $("mails").replaceChildren(el("p", {class: "empty"}, "No mail yet."));
    $("reader").replaceChildren();
    return;
  }
  if (!mails.some((m) => m.number === mail)) mail = mails[0].number;
  $("mails").replaceChildren(...mails.map((m) => el("button", {"aria-current": String(m.number === mail), class: header(m, "in-reply-to") ? "reply" : "", on: {click: () => { mail = m.number; draw(); }}},
    el("div", {class: "l1"}, el("span", {}, `to ${m.to}`), el("time", {}, clock(m.at))),
    el("div", {class: "l2"}, m.subject),
    el("div", {class: "l3"}, m.text.split("\n").slice(3).filter(Boolean).join(" · ").slice(0, 120)))));
  const one = mails.find((m) => m.number === mail);
  const key = `${mail}/${mailView}`;
  if ($("reader").dataset.key === key) return;
  $("reader").dataset.key = key;
  const view = (name, words) => el("button", {"aria-pressed": String(mailView === name), on: {click: () => { mailView = name; draw(); }}}, words);
  $("reader").replaceChildren(
    el("div", {class: "head"}, el("h2", {}, one.subject), el("div", {class: "meta"}, `${one.from}  →  ${one.to} · ${day(one.at)}, ${clock(one.at)}`),
      el("details", {}, el("summary", {}, "All headers"), el("dl", {}, ...one.headers.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]))),
      el("div", {class: "views"}, view("html", "HTML"), view("text", "Text"))),
    mailView === "html" && one.html ? el("iframe", {src: `mail/${one.number}/html`, sandbox: "allow-popups", title: one.subject}) : el("pre", {class: "text"}, one.text));
}

// -- phones: one a number, locked, with what its screen shows of each text
const GLANCE = 60;
function drawPhones() {
  const numbers = [...new Set(data.sms.map((one) => one.to))];
  const now = new Date();
  $("sms").replaceChildren(...(numbers.length ? numbers.map((number) => el("div", {class: "phone"}, el("div", {class: "screen"},
    el("div", {class: "clock"}, now.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", hour12: false})), el("div", {class: "date"}, day(now.toISOString())),
    el("div", {class: "notes"}, ...data.sms.filter((one) => one.to === number).reverse().map((one) => el("div", {class: "note"},
      el("div", {class: "n1"}, el("span", {}, `MESSAGES · ${one.from}`), el("time", {}, clock(one.at))),
      el("div", {class: "n2"}, one.body.slice(0, GLANCE) + (one.body.length > GLANCE ? "…" : "")),
      el("details", {}, el("summary", {}, `Unlock · ${one.segments} part${one.segments === 1 ? "" : "s"}, ${one.body.length} characters`), el("p", {}, one.body))))),
    el("div", {class: "owner"}, number)))) : [el("p", {class: "empty"}, "No text message yet.")]));
}

function draw() {
  if (!data) return;
  drawSlack(); drawView(); drawMail(); drawPhones();
  const counts = {slack: data.slack.reduce((sum, c) => sum + c.messages.length, 0), mail: data.mail.length, sms: data.sms.length};
  for (const badge of document.querySelectorAll("[data-count]")) badge.textContent = counts[badge.dataset.count] || "";
}
function show(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", String(chosen));
    $(tab.getAttribute("aria-controls")).hidden = !chosen;
  }
  history.replaceState(null, "", `#${name}`);
  draw();
}
let next = 0;
function refreshNow() { clearTimeout(next); refresh(); }
async function refresh() {
  try {
    const reply = await fetch(`feed?seen=${encodeURIComponent(seen)}`);
    if (reply.status === 200) {
      data = await reply.json();
      seen = data.seen;
      draw();
    }
    $("state").textContent = data && data.listening ? "Live · the app hears Slack's buttons" : "Live · no app listens for buttons";
    document.querySelector(".dot").classList.toggle("on", true);
  } catch {
    $("state").textContent = "The sandbox does not answer";
    document.querySelector(".dot").classList.toggle("on", false);
  }
  clearTimeout(next);
  next = setTimeout(refresh, 1000);
}
$("view").addEventListener("cancel", (event) => { event.preventDefault(); $("view").querySelector("[type=button]").click(); });
for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => show(tab.getAttribute("aria-controls")));
$("close").addEventListener("click", () => { thread = ""; draw(); });
if (["slack", "mail", "sms"].includes(location.hash.slice(1))) show(location.hash.slice(1));
refresh();
