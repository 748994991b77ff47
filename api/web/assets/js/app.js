// Entry of every page. htmx first, then what guards it, then our own small modules; each stands alone.
import "./htmx.js";
import "./hx-csp.js";
import "./guard.js";
import "./charts.js";
import "./confirm_name.js";
import "./copy.js";
import "./countdown.js";
import "./dialog.js";
import "./facts_ready.js";
import "./offline.js";
import "./shortcuts.js";
import "./stream.js";
import "./theme.js";
import "./time.js";
import "./toast.js";
