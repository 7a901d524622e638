// The page: photos come in, wait, are cut out, compared and saved.

import { cutOut, Refused } from "./service.js";
import { language, say, sayRefusal, translate } from "./texts.js";
import { zip } from "./zip.js";

const AT_ONCE = 2; // photos at the service at a time
const CALM_MS = 400; // after the last change of a wish, the photos are made again
// Colours that photos are often put on, by the name of their text.
const COLOURS = { white: "#ffffff", grey: "#d9dce1", black: "#000000", blue: "#438edb", red: "#c8102e", green: "#00b140" };

const find = (id) => document.getElementById(id);
const form = find("wishes");
const photos = []; // those on the page, in order: instances of Photo

/** One photo of the list, and what became of it. */
class Photo {
  constructor(file) {
    this.file = file;
    this.state = "waiting"; // then working, done or failed
    this.lacksKey = false; // failed, because the service wants another key
    this.result = null;
    this.element = find("photo").content.firstElementChild.cloneNode(true);
    translate(this.element);
    this.part(".name").textContent = file.name;
    this.part(".remove").setAttribute("aria-label", say("removeOne", file.name));
    this.part(".save").setAttribute("aria-label", say("saveOne", file.name));
    this.part(".split").setAttribute("aria-label", say("split", file.name));
    this.part(".split").addEventListener("input", (event) => this.split(event.target.value));
    for (const image of this.element.querySelectorAll("img")) {
      image.addEventListener("load", () => this.fit());
      image.addEventListener("error", () => image.classList.add("unseen"));
    }
    this.part(".remove").addEventListener("click", () => this.remove());
    this.part(".again").addEventListener("click", () => this.restart());
    this.show(".before", file, say("before", file.name));
    find("photos").append(this.element);
    this.tell("waiting", say("waiting"));
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  split(value) {
    this.part(".compare").style.setProperty("--split", `${value}%`);
  }

  /** Take the shape of what is shown. Before and after are compared where both are of one size:
   * not where the result was cropped, or the browser cannot show the photo. */
  fit() {
    const [before, after] = [this.part(".before"), this.part(".after")];
    const shown = after.naturalWidth ? after : before;
    this.part(".compare").style.setProperty("--ratio", shown.naturalWidth / shown.naturalHeight);
    const alike = before.naturalWidth === after.naturalWidth && before.naturalHeight === after.naturalHeight;
    this.element.classList.toggle("alone", after.naturalWidth > 0 && !alike);
  }

  /** Put a picture into an img, and free the one before. */
  show(selector, blob, alt) {
    const image = this.part(selector);
    if (image.src) URL.revokeObjectURL(image.src);
    image.classList.remove("unseen");
    image.src = URL.createObjectURL(blob);
    image.alt = alt;
  }

  tell(state, text) {
    this.state = state;
    this.element.classList.remove("waiting", "working", "done", "failed");
    this.element.classList.add(state);
    this.part(".state").textContent = text;
    this.part(".save").hidden = state !== "done";
    this.part(".again").hidden = state !== "failed";
    this.element.setAttribute("aria-busy", String(state === "working"));
  }

  async work(wishes) {
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.tell("working", say("working"));
    try {
      this.finish(await this.ask(wishes, signal));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused || error instanceof TypeError)) throw error;
      if (error.code === "auth_failed" && wishes.key !== key) this.restart();
      else this.fail(error);
    }
  }

  /** Ask until the service is not too busy. */
  async ask(wishes, signal) {
    for (;;) {
      try {
        return await cutOut(this.file, wishes, signal);
      } catch (error) {
        if (!(error instanceof Refused) || !error.retryAfter) throw error;
        this.tell("working", say("busy", error.retryAfter));
        await new Promise((resolve) => setTimeout(resolve, error.retryAfter * 1000));
        signal.throwIfAborted();
      }
    }
  }

  finish(result) {
    const ending = result.blob.type === "image/jpeg" ? "jpg" : "png";
    this.result = { ...result, name: `${this.file.name.replace(/\.[^.]*$/, "")}.${ending}` };
    this.show(".after", result.blob, say("after", this.file.name));
    const save = this.part(".save");
    save.href = this.part(".after").src;
    save.download = this.result.name;
    this.tell("done", say("done", result.width, result.height));
  }

  fail(error) {
    this.lacksKey = error.code === "auth_failed";
    if (this.lacksKey) find("keyField").hidden = false;
    this.tell("failed", error instanceof Refused ? sayRefusal(error) : say("unreachable"));
  }

  restart() {
    this.abort?.abort();
    this.result = null;
    this.lacksKey = false;
    this.tell("waiting", say("waiting"));
    run();
  }

  remove() {
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    photos.splice(photos.indexOf(this), 1);
    this.leave();
    (next?.querySelector(".remove") ?? find("choose")).focus();
    run();
  }

  /** Give up what is under way, and go from the page. */
  leave() {
    this.abort?.abort();
    for (const image of this.element.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    this.element.remove();
  }
}

function wishes() {
  const values = form.elements;
  return {
    behind: values.behind.value,
    colour: values.colour.value.slice(1),
    picture: values.picture.files[0],
    strength: values.strength.value,
    shadow: values.shadow.checked,
    light: values.light.checked,
    crop: values.crop.checked,
    key,
  };
}

/** Send what waits, as far as there is room, and tell how far all is. */
function run() {
  const count = (state) => photos.filter((photo) => photo.state === state).length;
  for (const photo of photos.filter((one) => one.state === "waiting")) {
    if (count("working") >= AT_ONCE) break;
    photo.work(wishes()).finally(run);
  }
  const over = count("done") + count("failed");
  document.body.classList.toggle("busy", photos.length > 0);
  find("whole").hidden = !photos.length;
  find("whole").classList.toggle("rested", over === photos.length);
  find("progress").value = photos.length ? over / photos.length : 0;
  find("news").textContent = say("progress", count("done"), photos.length);
  find("all").hidden = count("done") < 2;
}

function add(files) {
  for (const file of files) if (file.type.startsWith("image/") || !file.type) photos.push(new Photo(file));
  run();
}

async function saveAll() {
  const names = new Set();
  const files = photos.filter((photo) => photo.state === "done").map(({ result }) => {
    let name = result.name;
    for (let copy = 2; names.has(name); copy++) name = result.name.replace(/(\.\w+)$/, `-${copy}$1`);
    names.add(name);
    return { name, blob: result.blob };
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await zip(files));
  link.download = "bshm.zip";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function clear() {
  for (const photo of photos.splice(0)) photo.leave();
  find("choose").focus();
  run();
}

/** Show of the wishes what belongs to the background that is chosen. */
function showWishes() {
  const { behind, colour, picture } = form.elements;
  for (const detail of form.querySelectorAll(".detail")) {
    detail.classList.toggle("wanted", detail.dataset.for === behind.value);
  }
  form.querySelector(".sample.colour").style.setProperty("--chosen", colour.value);
  for (const swatch of find("swatches").children) {
    swatch.setAttribute("aria-pressed", String(swatch.dataset.colour === colour.value));
  }
  find("pictureName").textContent = picture.files[0]?.name ?? say("noPicture");
}

let calm;
function changed(event) {
  showWishes();
  if (event?.target.name === "picture") showPicture();
  clearTimeout(calm);
  calm = setTimeout(() => photos.forEach((photo) => photo.restart()), CALM_MS);
}

let key = sessionStorage.getItem("key") ?? "";
/** The key is whole: it was pasted, or Enter was pressed, or its field left. */
function takeKey() {
  key = form.elements.key.value;
  sessionStorage.setItem("key", key);
  for (const photo of photos.filter((one) => one.lacksKey)) photo.restart();
}

let sampleUrl = "";
function showPicture() {
  const [picture] = form.elements.picture.files;
  URL.revokeObjectURL(sampleUrl);
  sampleUrl = picture ? URL.createObjectURL(picture) : "";
  form.querySelector(".sample.picture").style.backgroundImage = picture ? `url("${sampleUrl}")` : "";
}

function makeSwatches() {
  for (const [name, colour] of Object.entries(COLOURS)) {
    const swatch = document.createElement("button");
    swatch.type = "button";
    swatch.dataset.colour = colour;
    swatch.style.backgroundColor = colour;
    swatch.title = say(name);
    swatch.setAttribute("aria-label", say(name));
    swatch.addEventListener("click", () => {
      form.elements.colour.value = colour;
      changed();
    });
    find("swatches").append(swatch);
  }
}

function listen() {
  find("choose").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
  form.addEventListener("input", (event) => {
    if (event.target !== form.elements.key) changed(event);
    else if (event.inputType === "insertFromPaste") takeKey();
  });
  form.elements.key.addEventListener("change", takeKey);
  form.addEventListener("submit", (event) => event.preventDefault());
  find("all").addEventListener("click", saveAll);
  find("clear").addEventListener("click", clear);
  document.addEventListener("paste", (event) => add([...event.clipboardData.files]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  for (const end of ["dragleave", "drop"]) {
    document.addEventListener(end, () => document.body.classList.remove("dropping"));
  }
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    add([...event.dataTransfer.files]);
  });
}

document.documentElement.lang = language;
translate(document);
form.elements.key.value = key;
makeSwatches();
showWishes();
listen();
