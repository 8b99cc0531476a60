// Everything here is extra: without it the page shows the same.
(() => {
  "use strict";
  const root = document.documentElement;
  const $ = (id) => document.getElementById(id);

  // Theme: auto, light, dark.
  const themes = ["auto", "light", "dark"];
  const button = $("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const now = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % 3];
    if (now === "auto") delete root.dataset.theme; else root.dataset.theme = now;
    button.textContent = "Theme: " + now;
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());

  // The evidence, to take away and to read.
  const raw = $("evidence").textContent;
  const download = $("download");
  download.hidden = false;
  download.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([raw], { type: "application/json" }));
    link.download = "evidence.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  const details = $("show-raw");
  details.hidden = false;
  details.addEventListener("toggle", () => {
    const pre = details.querySelector("pre");
    if (details.open && !pre.textContent) pre.textContent = JSON.stringify(JSON.parse(raw), null, 2);
  });

  // Paper can't unfold anything.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open]):not([hidden]):not(#show-raw)")];
    folded.forEach((d) => { d.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((d) => { d.open = false; }));

  // Zoom: the drawing's paths hold the data in its own units; read them back.
  const points = (d) => {
    const found = [];
    let x = 0, y = 0;
    for (const part of d.split("M").slice(1)) {
      const [start, rest = ""] = part.split("l");
      [x, y] = (start.match(/-?\d+/g) || []).map(Number);
      const numbers = (rest.match(/-?\d+/g) || []).map(Number);
      if (found.length) found.push([x - 1, null]);
      found.push([x, y]);
      for (let i = 0; i + 1 < numbers.length; i += 2) {
        const to = x + numbers[i];
        // What repeats a value was left out of the path.
        if (numbers[i + 1] === 0) for (let c = x + 1; c < to; c++) found.push([c, y]);
        x = to; y += numbers[i + 1];
        found.push([x, y]);
      }
    }
    return found;
  };
  const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const dashes = { t1: [9, 3], t2: [3, 2], t3: [11, 3, 2, 3], t4: [5, 4], t5: [1, 3], t6: [14, 4], t7: [7, 2, 1, 2] };
  let plots = [];
  const redraw = () => plots.forEach((p) => p.redraw(false));

  const build = (chart, host) => {
    const bands = chart.dataset.bands ? chart.dataset.bands.split(";").map((b) => b.split(",").map(Number)) : [];
    const sync = uPlot.sync(chart.querySelector("svg").getAttribute("aria-labelledby"));
    const made = [];
    for (const panel of chart.querySelectorAll("g.panel")) {
      const lines = [...panel.querySelectorAll("path.line")];
      const scale = +panel.dataset.scale, step = +panel.dataset.step;
      const read = lines.map((l) => new Map(points(l.getAttribute("d"))));
      const columns = Math.max(0, ...read.flatMap((m) => [...m.keys()])) + 1;
      const xs = Array.from({ length: columns }, (_, i) => (i + 0.5) * step);
      // undefined joins, null breaks the line.
      const ys = read.map((m) => xs.map((_, i) => { const v = m.get(i); return v == null ? v : v / scale; }));
      const caption = document.createElement("p");
      caption.textContent = panel.dataset.title + (panel.dataset.unit ? ", " + panel.dataset.unit : "");
      host.append(caption);
      const axis = { stroke: () => style("--soft"), grid: { stroke: () => style("--rule"), width: 1 }, ticks: { show: false } };
      made.push(new uPlot({
        width: host.clientWidth, height: 170,
        cursor: { sync: { key: sync.key, setSeries: true }, drag: { x: true, y: false } },
        scales: { x: { time: false } },
        axes: [{ ...axis }, { ...axis, size: 62 }],
        series: [
          { label: "s", value: (_, v) => (v == null ? "" : v.toFixed(2)) },
          ...lines.map((l) => {
            const kind = l.classList[1];
            return { label: l.dataset.name, stroke: () => style("--" + kind), width: kind === "sent" ? 1 : 1.6,
              dash: dashes[kind], points: { show: false }, spanGaps: false };
          }),
        ],
        hooks: {
          drawClear: [(u) => {
            u.ctx.save();
            u.ctx.globalAlpha = 0.16;
            u.ctx.fillStyle = style("--band");
            u.ctx.beginPath();
            u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
            u.ctx.clip();
            for (const [a, b] of bands) {
              const from = u.valToPos(a, "x", true), to = u.valToPos(b, "x", true);
              u.ctx.fillRect(from, u.bbox.top, to - from, u.bbox.height);
            }
            u.ctx.restore();
          }],
          setScale: [(u, key) => {
            if (key !== "x" || u.following) return;
            for (const other of made) {
              if (other === u) continue;
              other.following = true;
              other.setScale("x", { min: u.scales.x.min, max: u.scales.x.max });
              other.following = false;
            }
          }],
        },
      }, [xs, ...ys], host));
    }
    plots.push(...made);
    return made;
  };

  for (const chart of document.querySelectorAll(".chart[data-bands]")) {
    const zoom = document.createElement("button");
    zoom.type = "button";
    zoom.className = "zoom";
    zoom.textContent = "Zoom and read values";
    zoom.setAttribute("aria-expanded", "false");
    const host = document.createElement("div");
    host.className = "plots";
    host.hidden = true;
    let made = null;
    zoom.addEventListener("click", () => {
      const drawing = chart.querySelector("svg");
      const open = host.hidden;
      host.hidden = !open;
      drawing.toggleAttribute("hidden", open);
      zoom.textContent = open ? "Back to the drawing" : "Zoom and read values";
      zoom.setAttribute("aria-expanded", String(open));
      if (open && !made) {
        made = build(chart, host);
        new ResizeObserver(() => {
          if (host.clientWidth) made.forEach((p) => p.setSize({ width: host.clientWidth, height: 170 }));
        }).observe(host);
      }
    });
    chart.before(zoom);
    chart.append(host);
  }
})();
