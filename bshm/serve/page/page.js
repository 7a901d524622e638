// The page: photos come in, wait, are cut out, compared and saved.

import { cutOut, Refused } from "./service.js";
import { language, say, translate } from "./texts.js";
import { zip } from "./zip.js";

const AT_ONCE = 2; // photos at the service at a time
const CALM_MS = 400; // after the last change of a wish, the photos are made again

const find = (id) => document.getElementById(id);
const form = find("wishes");
const photos = []; // those on the page, in order: instances of Photo

/** One photo of the list, and what became of it. */
class Photo {
  constructor(file) {
    this.file = file;
    this.state = "waiting"; // then working, done or failed
    this.result = null;
    this.element = find("photo").content.firstElementChild.cloneNode(true);
    translate(this.element);
    this.part(".name").textContent = file.name;
    this.part(".remove").setAttribute("aria-label", say("removeOne", file.name));
    this.part(".save").setAttribute("aria-label", say("saveOne", file.name));
    this.part(".split").setAttribute("aria-label", say("split", file.name));
    this.part(".split").addEventListener("input", (event) => this.split(event.target.value));
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

  /** Put a picture into an img, and free the one before. */
  show(selector, blob, alt) {
    const image = this.part(selector);
    if (image.src) URL.revokeObjectURL(image.src);
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
      this.finish(await this.ask(wishes, signal), wishes);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused || error instanceof TypeError)) throw error;
      this.fail(error);
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

  finish(result, wishes) {
    const ending = result.blob.type === "image/jpeg" ? "jpg" : "png";
    this.result = { ...result, name: `${this.file.name.replace(/\.[^.]*$/, "")}.${ending}` };
    this.show(".after", result.blob, say("after", this.file.name));
    this.element.classList.toggle("cropped", wishes.crop);
    const save = this.part(".save");
    save.href = this.part(".after").src;
    save.download = this.result.name;
    this.tell("done", say("done", result.width, result.height));
  }

  fail(error) {
    if (error.status === 403) find("keyField").hidden = false;
    const reason = error.status === 403 ? say("needsKey") : error.message;
    this.tell("failed", error instanceof Refused ? reason : say("unreachable"));
  }

  restart() {
    this.abort?.abort();
    this.result = null;
    this.tell("waiting", say("waiting"));
    run();
  }

  remove() {
    this.abort?.abort();
    for (const image of this.element.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    (next?.querySelector(".remove") ?? find("choose")).focus();
    this.element.remove();
    photos.splice(photos.indexOf(this), 1);
    run();
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
    key: values.key.value,
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
  find("progress").hidden = over === photos.length;
  find("progress").value = photos.length ? over / photos.length : 0;
  find("news").textContent = photos.length ? say("progress", count("done"), photos.length) : "";
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

let calm;
function changed() {
  for (const detail of form.querySelectorAll(".detail")) {
    detail.classList.toggle("wanted", detail.dataset.for === form.elements.behind.value);
  }
  sessionStorage.setItem("key", form.elements.key.value);
  clearTimeout(calm);
  calm = setTimeout(() => photos.forEach((photo) => photo.restart()), CALM_MS);
}

function listen() {
  find("choose").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  find("all").addEventListener("click", saveAll);
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
form.elements.key.value = sessionStorage.getItem("key") ?? "";
listen();
