// Fills the figures of a report from the data within the page, and answers clicks. No other script is needed but Bokeh.
"use strict";
(function () {
  const parse = (id) => JSON.parse(document.getElementById(id).textContent);
  let data = null;
  const element = (id) => document.getElementById(id);
  const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8c6d31", "#7f7f7f", "#9467bd", "#17becf"];
  const BAND = 0.92;
  const NEAR = 12; // pixels around a click in which a spike is looked for
  const MOST_MAPS = 32;
  const models = {};
  let current = null; // the image that is shown, with its arrays read

  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  async function unzipped(id) {
    const packed = new Blob([bytesOf(element(id).textContent)]).stream();
    return JSON.parse(await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text());
  }

  function read(packed) {
    const bytes = bytesOf(packed.data).buffer;
    return new { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array }[packed.type](bytes);
  }

  function position(shape, index) {
    if (shape.length === 1) return `(${index})`;
    const [, rows, columns] = shape;
    return `(${Math.floor(index / (rows * columns))}, ${Math.floor(index / columns) % rows}, ${index % columns})`;
  }

  const sizeOf = (layer) => layer.shape.reduce((a, b) => a * b, 1);
  const neuronName = (k, index) => `${data.layers[k].name} ${position(data.layers[k].shape, index)}`;
  const heightOf = (k, index) => data.layers.length - k - BAND * (index + 0.5) / sizeOf(data.layers[k]);

  function find(name) {
    for (const documents of window.Bokeh.documents) {
      const found = documents.get_model_by_name(name);
      if (found) return found;
    }
    return null;
  }

  function fill(name, columns) {
    const source = models[name] || (models[name] = find(name));
    if (source) source.data = columns;
  }

  function option(value, text) {
    const made = document.createElement("option");
    made.value = value;
    made.textContent = text;
    return made;
  }

  function legend(id, entries) {
    element(id).replaceChildren(...entries.map(([color, text]) => {
      const span = document.createElement("span"), mark = document.createElement("i");
      mark.style.background = color;
      span.append(mark, text);
      return span;
    }));
  }

  // One image -----------------------------------------------------------------------------------------------------

  function showImage(k) {
    const image = data.images[k];
    current = { ...image, k, ids: [], spikes: {}, traces: {} };
    for (const [name, spikes] of Object.entries(image.spikes)) {
      const layer = data.layers.find((l) => l.name === name);
      const counts = new Uint32Array(sizeOf(layer)), first = new Uint16Array(sizeOf(layer));
      const made = { count: spikes.count, counts, first, step: null, index: null };
      if (spikes.step) {
        made.step = read(spikes.step);
        made.index = read(spikes.index);
        made.index.forEach((index, at) => {
          counts[index] += 1;
          if (first[index] === 0 || made.step[at] < first[index]) first[index] = made.step[at];
        });
      } else {
        made.counts = read(spikes.counts);
        made.first = read(spikes.first);
      }
      current.spikes[name] = made;
    }
    for (const [name, traces] of Object.entries(image.traces)) {
      current.traces[name] = { ...traces, index: read(traces.index), v: read(traces.v), threshold: read(traces.threshold) };
    }
    showVerdict();
    drawPicture();
    drawScores();
    drawRaster();
    drawMaps();
    if (Object.keys(current.traces).length) fillNeurons();
  }

  function showVerdict() {
    const said = [];
    if (current.scores) {
      said.push(`decision ${current.decision}`, `before conversion ${current.ann_decision}`);
      if (current.label !== null) said.push(`label ${current.label}`, current.decision === current.label ? "correct" : "wrong");
    }
    said.push(`${current.steps} steps`);
    element("verdict").textContent = said.join(" · ");
  }

  function drawPicture() {
    const canvas = element("picture");
    canvas.hidden = !current.picture;
    if (!current.picture) return;
    const { rows, columns } = current.picture, rgb = read(current.picture.rgb);
    paint(canvas, rows, columns, (place) => [rgb[3 * place], rgb[3 * place + 1], rgb[3 * place + 2]]);
  }

  function paint(canvas, rows, columns, color) {
    canvas.width = columns;
    canvas.height = rows;
    const context = canvas.getContext("2d"), pixels = context.createImageData(columns, rows);
    for (let place = 0; place < rows * columns; place++) pixels.data.set([...color(place), 255], 4 * place);
    context.putImageData(pixels, 0, 0);
  }

  function drawScores() {
    if (!current.scores) return;
    const scores = read(current.scores), count = scores.length / current.steps;
    const steps = Array.from({ length: current.steps }, (_, s) => s + 1);
    const last = (c) => scores[(current.steps - 1) * count + c];
    const order = Array.from({ length: count }, (_, c) => c).sort((a, b) => last(b) - last(a)).slice(0, 10).sort((a, b) => a - b);
    fill("scores", {
      xs: order.map(() => steps),
      ys: order.map((c) => steps.map((s) => scores[(s - 1) * count + c])),
      color: order.map((_, at) => COLORS[at]),
      name: order.map(String),
      width: order.map((c) => (c === current.decision ? 3 : 1.2)),
    });
    legend("score-legend", order.map((c, at) => [COLORS[at], c === current.decision ? `${c} (decision)` : String(c)]));
  }

  // Raster --------------------------------------------------------------------------------------------------------

  function drawRaster() {
    if (!find("spikes")) return;
    let total = 0;
    for (const spikes of Object.values(current.spikes)) total += spikes.count;
    const n = current.dense ? 0 : total;
    const x = new Float32Array(n), y = new Float32Array(n), id = new Uint32Array(n), color = new Array(n);
    current.ids = { layer: new Uint16Array(n), index: new Uint32Array(n) };
    let at = 0;
    data.layers.forEach((layer, k) => {
      const spikes = current.spikes[layer.name];
      if (!spikes || current.dense) return;
      for (let s = 0; s < spikes.count; s++, at++) {
        x[at] = spikes.step[s] * data.dt_ms;
        y[at] = heightOf(k, spikes.index[s]);
        id[at] = at;
        color[at] = COLORS[k % 6];
        current.ids.layer[at] = k;
        current.ids.index[at] = spikes.index[s];
      }
    });
    current.x = x;
    current.y = y;
    fill("spikes", { x, y, id, color });
    fill("chosen", { x: [], y: [] });
    for (let k = 0; k < data.images.length; k++) {
      for (const documents of window.Bokeh.documents) {
        for (const model of documents.get_model_by_name(`density ${k}`) ? documents._all_models.values() : []) {
          if (model.name === `density ${k}`) model.visible = k === current.k;
        }
      }
    }
    const silent = data.layers.filter((layer) => current.spikes[layer.name] && !current.spikes[layer.name].count);
    const missing = data.layers.filter((layer) => !current.spikes[layer.name]).map((layer) => layer.name);
    element("raster-note").textContent =
      `${total.toLocaleString("en")} spikes` + (current.dense ? ", as a density: dark is many" : "") +
      (silent.length ? `; none of ${silent.map((layer) => layer.name).join(", ")}` : "") +
      (missing.length ? `; not recorded: ${missing.join(", ")}` : "") +
      ". Zoom with the wheel or a box" + (find("v") ? "; click a spike to see the membrane of its neuron." : ".");
  }

  function neuronOf(id) {
    return neuronName(current.ids.layer[id], current.ids.index[id]);
  }

  function tapped(event) {
    const plot = find("raster"), width = plot.inner_width || 800, height = plot.inner_height || 300;
    const perX = width / (plot.x_range.end - plot.x_range.start), perY = height / (plot.y_range.end - plot.y_range.start);
    let best = NEAR * NEAR, found = -1;
    for (let at = 0; at < current.x.length; at++) {
      const dx = (current.x[at] - event.x) * perX, dy = (current.y[at] - event.y) * perY;
      if (dx * dx + dy * dy < best) {
        best = dx * dx + dy * dy;
        found = at;
      }
    }
    if (found >= 0) {
      choose(current.ids.layer[found], current.ids.index[found]);
      return;
    }
    const k = Math.floor(data.layers.length - event.y);
    if (k < 0 || k >= data.layers.length) return;
    const traces = current.traces[data.layers[k].name];
    if (!traces) {
      say(`no potentials of ${data.layers[k].name} were recorded`);
      return;
    }
    const index = ((data.layers.length - k - event.y) / BAND) * sizeOf(data.layers[k]);
    let nearest = traces.index[0];
    for (const other of traces.index) if (Math.abs(other - index) < Math.abs(nearest - index)) nearest = other;
    choose(k, nearest);
  }

  // Membrane ------------------------------------------------------------------------------------------------------

  const say = (text) => { if (element("trace-title")) element("trace-title").textContent = text; };

  function fillNeurons() {
    const name = element("trace-layer").value, traces = current.traces[name];
    const k = data.layers.findIndex((layer) => layer.name === name), spikes = current.spikes[name];
    const order = Array.from(traces.index).sort((a, b) => (spikes ? spikes.counts[b] - spikes.counts[a] : 0));
    element("trace-neuron").replaceChildren(
      ...order.map((index) => option(index, position(data.layers[k].shape, index) + (spikes ? `, ${spikes.counts[index]} spikes` : ""))));
    choose(k, order[0]);
  }

  function choose(k, index) {
    const name = data.layers[k].name, traces = current.traces[name];
    const at = traces ? traces.index.indexOf(index) : -1;
    fill("chosen", { x: [], y: [] });
    if (at < 0) {
      fill("v", { x: [], y: [] });
      fill("threshold", { x: [], y: [] });
      fill("trace spikes", { x: [], y: [] });
      say(`${neuronName(k, index)}: its potential was not recorded`);
      return;
    }
    if (element("trace-layer").value !== name) {
      element("trace-layer").value = name;
      fillNeurons();
    }
    element("trace-neuron").value = index;
    const steps = current.steps, v = traces.v.subarray(at * steps, (at + 1) * steps);
    const threshold = traces.same_threshold ? traces.threshold : traces.threshold.subarray(at * steps, (at + 1) * steps);
    const spikes = current.spikes[name], fired = new Set();
    if (spikes && spikes.step) spikes.index.forEach((other, s) => { if (other === index) fired.add(spikes.step[s]); });
    const x = [], y = [];
    if (traces.start !== null) { x.push(0); y.push(traces.start); }
    const fall = fallOf(traces);
    for (let s = 1; s <= steps; s++) {
      x.push(s * data.dt_ms);
      y.push(v[s - 1]);
      if (fired.has(s) && fall(threshold[s - 1]) !== null) { x.push(s * data.dt_ms); y.push(v[s - 1] - fall(threshold[s - 1])); }
    }
    fill("v", { x, y });
    const known = Array.from(threshold).some((value) => !Number.isNaN(value));
    const times = Array.from({ length: steps + 1 }, (_, s) => s * data.dt_ms);
    fill("threshold", known ? { x: times, y: [threshold[0], ...threshold] } : { x: [], y: [] });
    const when = Array.from(fired).sort((a, b) => a - b);
    fill("trace spikes", { x: when.map((s) => s * data.dt_ms), y: when.map((s) => v[s - 1]) });
    find("trace").left[0].axis_label = `v (${traces.unit})`;
    fill("chosen", { x: when.map((s) => s * data.dt_ms), y: when.map(() => heightOf(k, index)) });
    say(`${neuronName(k, index)}: ${when.length} spike${when.length === 1 ? "" : "s"}` + (known ? "" : "; threshold not known"));
  }

  // How far a spike lets the potential fall: by the threshold, in the units of the potential.
  function fallOf(traces) {
    if (!traces.drops) return () => null;
    return (threshold) => (Number.isNaN(threshold) ? null : threshold - (traces.rest || 0));
  }

  // Maps ----------------------------------------------------------------------------------------------------------

  // Viridis, at five places
  const SHADES = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  function shade(value) {
    const at = Math.min(Math.max(value, 0), 1) * (SHADES.length - 1), k = Math.min(Math.floor(at), SHADES.length - 2);
    return SHADES[k].map((low, c) => Math.round(low + (at - k) * (SHADES[k + 1][c] - low)));
  }

  function drawMaps() {
    const name = element("map-layer").value, spikes = current.spikes[name];
    if (!spikes) return;
    const shape = data.layers.find((layer) => layer.name === name).shape;
    const first = element("map-kind").value === "first";
    const [channels, rows, columns] = shape.length === 3 ? shape : [1, 1, shape[0]], area = rows * columns;
    let most = 0;
    for (const count of spikes.counts) most = Math.max(most, count);
    const color = (index) => {
      if (spikes.counts[index] === 0) return [0, 0, 0];
      return shade(first ? 1 - (spikes.first[index] - 1) / Math.max(current.steps - 1, 1) : spikes.counts[index] / most);
    };
    const sums = Array.from({ length: channels }, (_, c) => spikes.counts.subarray(c * area, (c + 1) * area).reduce((a, b) => a + b, 0));
    const chosen = sums.map((_, c) => c).sort((a, b) => sums[b] - sums[a]).slice(0, MOST_MAPS).sort((a, b) => a - b);
    element("maps").replaceChildren(...chosen.map((channel) => {
      const box = document.createElement("figure"), canvas = document.createElement("canvas"), text = document.createElement("figcaption");
      paint(canvas, rows, columns, (place) => color(channel * area + place));
      canvas.style.width = `${Math.max(Math.min(columns * 12, rows === 1 ? 640 : 120), 48)}px`;
      if (rows === 1) canvas.style.height = "24px";
      text.textContent = shape.length === 3 ? `channel ${channel}` : "features from 0";
      box.append(canvas, text);
      return box;
    }));
    const scale = document.createElement("canvas");
    paint(scale, 1, 140, (place) => shade(place / 139));
    element("map-scale").replaceChildren(
      first ? `step ${current.steps}` : "0", scale, first ? "step 1" : `${(most / current.steps).toFixed(2)} per step`);
    element("map-note").textContent = `Black: no spike.` +
      (chosen.length < channels ? ` The ${chosen.length} of ${channels} channels with the most spikes.` : "");
  }

  // Start ---------------------------------------------------------------------------------------------------------

  function restyle() {
    const style = getComputedStyle(document.documentElement), color = (name) => style.getPropertyValue(name).trim();
    const ink = color("--ink"), soft = color("--soft"), line = color("--line"), card = color("--card");
    for (const documents of window.Bokeh.documents) {
      for (const model of documents._all_models.values()) {
        if ("axis_label_text_color" in model) {
          model.setv({ axis_label_text_color: ink, major_label_text_color: soft, axis_line_color: soft });
          if (model.major_tick_line_color !== null) model.major_tick_line_color = soft;
        } else if ("grid_line_color" in model && model.grid_line_color !== null) {
          model.grid_line_color = line;
        } else if ("label_text_color" in model) {
          model.setv({ label_text_color: ink, background_fill_color: card, border_line_color: null });
        }
      }
    }
  }

  async function start() {
    for (const name of document.body.dataset.hidden.split(" ").filter(Boolean)) {
      for (const part of document.querySelectorAll(`[data-part="${name}"]`)) part.hidden = true;
    }
    data = await unzipped("data");
    window.Bokeh.logger.set_level("warn");
    for (const [target, item] of Object.entries(parse("figures"))) await window.Bokeh.embed.embed_item(item, target);
    restyle();
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    data.images.forEach((image, k) => element("image").append(option(k, image.number)));
    const recorded = data.layers.map((layer) => layer.name);
    recorded.filter((name) => data.recorded.includes(name)).forEach((name) => element("map-layer").append(option(name, name)));
    recorded.filter((name) => data.images[0].traces[name]).forEach((name) => element("trace-layer").append(option(name, name)));
    element("image").addEventListener("change", (event) => showImage(Number(event.target.value)));
    element("map-layer").addEventListener("change", drawMaps);
    element("map-kind").addEventListener("change", drawMaps);
    element("trace-layer").addEventListener("change", fillNeurons);
    element("trace-neuron").addEventListener("change", (event) =>
      choose(data.layers.findIndex((layer) => layer.name === element("trace-layer").value), Number(event.target.value)));
    const count = data.layers.length;
    legend("activity-legend", data.layers.map((layer, k) => [activityColor(k, count), layer.name]));
    showImage(0);
    const raster = find("raster");
    if (raster) raster.on_event("tap", tapped);
    document.body.dataset.ready = "yes";
  }

  const activityColor = (k, count) => {
    if (count <= 6) return COLORS[k];
    const [red, green, blue] = shade((230 / 255) * (k / (count - 1)));
    return `rgb(${red}, ${green}, ${blue})`;
  };

  window.brianconvReport = { neuronOf };
  start().catch((error) => { document.body.dataset.failed = String(error); throw error; });
})();
