// What the page says, in the first language of the browser's that it knows.

const TEXTS = {
  en: {
    tagline: "Cut people out of photos, and put them somewhere else",
    drop: "Drop photos here, paste them, or choose files",
    dropMore: "They go to this service and nowhere else, and are not kept.",
    background: "Background",
    none: "Transparent",
    colour: "Colour",
    picture: "Own picture",
    blur: "Blur",
    whichColour: "Which colour",
    whichPicture: "Which picture",
    howMuch: "How much",
    more: "More",
    shadow: "Shadow",
    light: "Light of the picture",
    crop: "Crop to the people",
    key: "API key",
    save: "Download",
    again: "Try again",
    remove: "Remove",
    all: "Download all (zip)",
    api: "The API",
    waiting: "waiting",
    working: "working…",
    busy: "the service is busy; trying again in {0} s",
    done: "done, {0} × {1}",
    progress: "{0} of {1} done",
    before: "{0}: before",
    after: "{0}: after",
    split: "{0}: how much of the original is shown",
    removeOne: "Remove {0}",
    saveOne: "Download {0}",
    needsKey: "this service asks for an API key",
    unreachable: "the service does not answer",
  },
  zh: {
    tagline: "把人从照片里抠出来，换到别处",
    drop: "把照片拖到这里、粘贴，或选择文件",
    dropMore: "照片只发送到本服务，不会保存。",
    background: "背景",
    none: "透明",
    colour: "颜色",
    picture: "自选图片",
    blur: "虚化",
    whichColour: "选择颜色",
    whichPicture: "选择图片",
    howMuch: "程度",
    more: "更多",
    shadow: "阴影",
    light: "匹配图片光线",
    crop: "裁剪到人物",
    key: "API 密钥",
    save: "下载",
    again: "重试",
    remove: "移除",
    all: "全部下载（zip）",
    api: "API 说明",
    waiting: "排队中",
    working: "处理中…",
    busy: "服务繁忙，{0} 秒后重试",
    done: "完成，{0} × {1}",
    progress: "已完成 {0} / {1}",
    before: "{0}：处理前",
    after: "{0}：处理后",
    split: "{0}：显示多少原图",
    removeOne: "移除 {0}",
    saveOne: "下载 {0}",
    needsKey: "本服务需要 API 密钥",
    unreachable: "服务没有响应",
  },
};

export const language =
  navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in TEXTS) ?? "en";

/** A text, with {0}, {1} … filled in. */
export function say(name, ...values) {
  return TEXTS[language][name].replace(/\{(\d)\}/g, (_, index) => values[index]);
}

/** Fill in all that names its text. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = say(element.dataset.text);
  }
}
