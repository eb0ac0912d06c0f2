"use strict";
// The page inside Telegram, which opens it with launch parameters in the address. Elsewhere it loads nothing.
// https://core.telegram.org/bots/webapps
globalThis.miniApp = (() => {
  const WORDS = {
    en: { post: "Send to the chat", lead: "Draw digits, or choose or take a picture of digits. Send it, and the bot answers in the chat.", draw: "Draw digits and send them: the bot answers in the chat.", later: "Press “Send to the chat”: the answer comes there.", locked: "Open this page again from the bot's chat in Telegram.", outside: "This page works in Telegram: open it from the bot's chat.",
      sent: "Sent: the answer is in the chat.", failed: "Not sent: the server does not answer.", attach: "Send a picture in the chat itself, as a photo.", long: "This drawing is too large. Draw less.", kept: "The server stores nothing. Pictures sent to the chat stay there." },
    ru: { post: "Отправить в чат", lead: "Нарисуйте цифры, выберите или снимите картинку с ними. Отправьте, и бот ответит в чате.", draw: "Нарисуйте цифры и отправьте: бот ответит в чате.", later: "Нажмите «Отправить в чат»: ответ придёт туда.", locked: "Откройте эту страницу из чата с ботом в Telegram заново.", outside: "Эта страница работает в Telegram: откройте её из чата с ботом.",
      sent: "Отправлено: ответ в чате.", failed: "Не отправлено: сервер не отвечает.", attach: "Пришлите картинку в самом чате, как фотографию.", long: "Этот рисунок слишком велик. Нарисуйте меньше.", kept: "Сервер ничего не хранит. Отправленное в чат остаётся там." },
  };
  const SCRIPT = "https://telegram.org/js/telegram-web-app.js", PATIENCE = 5000, MOST_BYTES = 4096;  // sendData takes no more
  const launch = new URLSearchParams(location.hash.slice(1)), inside = launch.has("tgWebAppVersion");
  const app = () => window.Telegram?.WebApp;

  function load() {  // (the page works without it if telegram.org cannot be reached)
    const script = document.createElement("script");
    script.src = SCRIPT;
    document.head.append(script);
    return new Promise(done => { script.onload = script.onerror = done; setTimeout(done, PATIENCE); });
  }

  function theme() {
    document.documentElement.classList.toggle("themed", Boolean(app().themeParams.bg_color));
    document.documentElement.classList.toggle("dark", app().colorScheme === "dark");
  }

  async function enter() {
    const words = WORDS[language], initData = app()?.initData || launch.get("tgWebAppData");
    authorization = initData ? `tma ${initData}` : null;  // null if a keyboard button opened the page
    Object.assign(t, { lead: initData ? words.lead : words.draw, kept: words.kept, locked: !inside ? words.outside : initData ? words.locked : words.later });
    for (const name of ["lead", "kept"]) document.querySelector(`[data-t=${name}]`).textContent = t[name];
    document.documentElement.classList.toggle("alone", !initData);  // without init data pictures cannot be sent
    if (!inside) return;
    const button = document.createElement("button");
    button.id = "post"; button.type = "button"; button.textContent = words.post; button.onclick = () => post(button, words);
    $("examples").before(button);
    if (!app()) return;
    theme();
    app().onEvent("themeChanged", theme);
    app().ready(); app().expand();
    if (app().isVersionAtLeast("7.7")) app().disableVerticalSwipes();  // a downward stroke must not close the page
  }

  async function post(button, words) {
    if (!file && !strokes.length) return note(t.waiting);
    if (authorization === null) return relay(words);
    button.disabled = true;
    try {
      const response = await send("picture", { method: "POST", body: file ?? await encoded("image/png") });
      if (!response.ok) return note(response.status === 401 ? t.locked : (await response.json()).error);
      latest++; again = false;  // a reading in progress would overwrite the note
      note(words.sent); app()?.close();
    } catch { note(words.failed); }
    finally { button.disabled = false; }
  }

  function relay(words) {  // Telegram delivers a short text to the bot and closes the page
    if (file) return note(words.attach);
    if (!app()) return note(words.failed);
    for (let tolerance = .5; tolerance < 9; tolerance *= 1.5) {
      const text = JSON.stringify(strokes.map(stroke => simplified(stroke.map(([x, y]) => [x * canvas.width, y * canvas.height]), tolerance).flat().map(Math.round)));
      if (text.length <= MOST_BYTES) return app().sendData(text);
    }
    note(words.long);
  }

  function simplified(points, tolerance) {  // Ramer, Douglas and Peucker: drops points near a straight line
    const a = points[0], b = points.at(-1), [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const off = ([x, y]) => {
      const along = Math.min(1, Math.max(0, ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy || 1)));
      return Math.hypot(x - a[0] - along * dx, y - a[1] - along * dy);
    };
    let farthest = 0;
    for (let i = 1; i < points.length - 1; i++) if (off(points[i]) > (farthest && off(points[farthest]))) farthest = i;
    if (!farthest || off(points[farthest]) <= tolerance) return points.length > 1 ? [a, b] : [a];
    return [...simplified(points.slice(0, farthest + 1), tolerance).slice(0, -1), ...simplified(points.slice(farthest), tolerance)];
  }

  let told = {};
  try { told = JSON.parse(new URLSearchParams(launch.get("tgWebAppData")).get("user")) ?? {}; } catch { /* use the browser's language */ }
  const parsed = new Promise(done => addEventListener("DOMContentLoaded", done));
  return { language: told.language_code, ready: Promise.all([parsed, inside && load()]).then(enter) };
})();
