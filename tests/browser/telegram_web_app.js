// Stand-in for https://telegram.org/js/telegram-web-app.js: the parts that the page uses, as documented at
// https://core.telegram.org/bots/webapps. Launch parameters are in the address's fragment; colours become CSS variables.
"use strict";
(() => {
  const launch = new URLSearchParams(location.hash.slice(1)), version = launch.get("tgWebAppVersion") ?? "6.0", handlers = [];
  const dark = color => { const [r, g, b] = color.match(/\w\w/g).map(part => parseInt(part, 16)); return Math.hypot(r * .546, g * .766, b * .338) < 120; };
  const least = wanted => { const [a, b] = [version, wanted].map(text => text.split(".").map(Number)); return a[0] - b[0] || a[1] - b[1]; };
  const WebApp = {
    initData: launch.get("tgWebAppData") ?? "", version, themeParams: {}, colorScheme: "light", said: [],
    isVersionAtLeast: wanted => least(wanted) >= 0,
    onEvent: (name, handler) => handlers.push([name, handler]),
    ready: () => WebApp.said.push("ready"), expand: () => WebApp.said.push("expand"), close: () => WebApp.said.push("close"),
    disableVerticalSwipes() {
      if (least("7.7") < 0) console.warn(`Changing swipes behavior is not supported in version ${version}`);
      WebApp.said.push("disableVerticalSwipes");
    },
    sendData(data) {
      if (!data || new TextEncoder().encode(data).length > 4096) throw Error("WebAppDataInvalid");
      WebApp.said.push("sendData"); window.relayed = data;
    },
    paint(colors) {  // (the application calls the real one)
      for (const [name, color] of Object.entries(colors)) {
        WebApp.themeParams[name] = color;
        document.documentElement.style.setProperty(`--tg-theme-${name.replaceAll("_", "-")}`, color);
      }
      WebApp.colorScheme = dark(WebApp.themeParams.bg_color) ? "dark" : "light";
      document.documentElement.style.setProperty("--tg-color-scheme", WebApp.colorScheme);
      for (const [name, handler] of handlers) if (name === "themeChanged") handler();
    },
  };
  WebApp.paint(JSON.parse(launch.get("tgWebAppThemeParams") ?? "{}"));
  window.Telegram = { WebApp };
})();
