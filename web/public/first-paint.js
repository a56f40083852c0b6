// Runs before anything is drawn, so that a dark page never flashes white and the first words are in the right language.
// The same keys are read and written in src/ui/theme.ts and src/i18n/index.ts.
(function () {
  var root = document.documentElement;
  var theme = null;
  var language = null;
  try {
    theme = localStorage.getItem("parlour.theme");
    language = localStorage.getItem("parlour.language");
  } catch {
    // Storage can be switched off; the system's preferences are used then.
  }
  var dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "dark" : "light";
  if (!language) {
    var wanted = navigator.languages || [navigator.language];
    language = "en";
    for (var i = 0; i < wanted.length; i++) {
      var tag = String(wanted[i]).toLowerCase();
      if (tag.indexOf("zh") === 0) { language = "zh-CN"; break; }
      if (tag.indexOf("en") === 0) { break; }
    }
  }
  root.lang = language;
})();
