// One photo to the service and back, by the contract at /v1.0/removebg.

/** Why there is no result: the service's words and code, and the seconds after which to ask again,
 * or 0. */
export class Refused extends Error {
  constructor(message, status, code, retryAfter) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** The fields that wishes make; wishes as `page.js` reads them from its form. */
function fields(photo, wishes) {
  const form = new FormData();
  form.set("image_file", photo, photo.name);
  form.set("size", "full");
  form.set("crop", String(wishes.crop));
  form.set("shadow_type", wishes.shadow ? "auto" : "none");
  form.set("light", wishes.light ? "auto" : "off");
  if (wishes.behind === "colour") form.set("bg_color", wishes.colour);
  if (wishes.behind === "blur") form.set("bg_blur", wishes.strength);
  if (wishes.behind === "picture" && wishes.picture) form.set("bg_image_file", wishes.picture);
  return form;
}

/** The result: a picture as a blob, and its size. Throws Refused; AbortError when given up. */
export async function cutOut(photo, wishes, signal) {
  const answer = await fetch("v1.0/removebg", {
    method: "POST",
    body: fields(photo, wishes),
    headers: wishes.key ? { "X-Api-Key": wishes.key } : {},
    signal,
  });
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    const { title, code } = body?.errors?.[0] ?? {};
    throw new Refused(title ?? `HTTP ${answer.status}`, answer.status, code, Number(answer.headers.get("Retry-After")) || 0);
  }
  return {
    blob: await answer.blob(),
    width: answer.headers.get("X-Width"),
    height: answer.headers.get("X-Height"),
  };
}
