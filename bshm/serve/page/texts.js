// What the page says, in the first language of the browser's that it knows.

const TEXTS = {
  en: {
    tagline: "Cut people out of photos, and put them somewhere else",
    drop: "Drop photos here, paste them, or choose files",
    dropMore: "They go to this service and nowhere else, and are not kept.",
    swatches: "Colours",
    white: "White",
    grey: "Grey",
    black: "Black",
    blue: "Blue",
    red: "Red",
    green: "Green",
    noPicture: "no picture yet",
    background: "Background",
    none: "Transparent",
    colour: "Colour",
    picture: "Own picture",
    blur: "Blur",
    whichColour: "Another",
    whichPicture: "Choose a picture",
    howMuch: "How much",
    more: "More",
    shadow: "Shadow",
    light: "Match the light",
    crop: "Crop to the people",
    key: "API key, then Enter",
    save: "Download",
    again: "Try again",
    remove: "Remove",
    all: "Download all (zip)",
    clear: "Remove all",
    progressOf: "Progress",
    api: "The API",
    waiting: "waiting",
    working: "working…",
    busy: "the service is busy; trying again in {0} s",
    done: "{0} × {1}",
    progress: "{0} of {1} done",
    before: "{0}: before",
    after: "{0}: after",
    split: "{0}: how much of the original is shown",
    removeOne: "Remove {0}",
    saveOne: "Download {0}",
    auth_failed: "this service asks for an API key",
    unknown_foreground: "nobody was found in this photo",
    invalid_file_type: "this is no photo that can be read",
    failed_to_read_image: "this file is damaged",
    resolution_too_high: "this photo has too many pixels for the service",
    file_too_large: "this file is too large for the service",
    unreachable: "the service does not answer",
  },
  zh: {
    tagline: "把人从照片里抠出来，换到别处",
    drop: "把照片拖到这里、粘贴，或选择文件",
    dropMore: "照片只发送到本服务，不会保存。",
    swatches: "颜色",
    white: "白色",
    grey: "灰色",
    black: "黑色",
    blue: "蓝色",
    red: "红色",
    green: "绿色",
    noPicture: "尚未选择",
    background: "背景",
    none: "透明",
    colour: "颜色",
    picture: "自选图片",
    blur: "虚化",
    whichColour: "其他",
    whichPicture: "选择图片",
    howMuch: "程度",
    more: "更多",
    shadow: "阴影",
    light: "匹配光线",
    crop: "裁剪到人物",
    key: "API 密钥，然后按 Enter",
    save: "下载",
    again: "重试",
    remove: "移除",
    all: "全部下载（zip）",
    clear: "全部移除",
    progressOf: "进度",
    api: "API 说明",
    waiting: "排队中",
    working: "处理中…",
    busy: "服务繁忙，{0} 秒后重试",
    done: "{0} × {1}",
    progress: "已完成 {0} / {1}",
    before: "{0}：处理前",
    after: "{0}：处理后",
    split: "{0}：显示多少原图",
    removeOne: "移除 {0}",
    saveOne: "下载 {0}",
    auth_failed: "本服务需要 API 密钥",
    unknown_foreground: "照片里没有找到人物",
    invalid_file_type: "无法识别的图片格式",
    failed_to_read_image: "文件已损坏",
    resolution_too_high: "照片像素过多，超出服务上限",
    file_too_large: "文件过大，超出服务上限",
    unreachable: "服务没有响应",
  },
};

export const language =
  navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in TEXTS) ?? "en";

/** A text, with {0}, {1} … filled in. */
export function say(name, ...values) {
  return TEXTS[language][name].replace(/\{(\d)\}/g, (_, index) => values[index]);
}

/** Why the service refused, where its code is known in the page's language, or in its own words. */
export function sayRefusal({ code, message }) {
  return code in TEXTS[language] ? say(code) : message;
}

/** Fill in all that names its text, or its label. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = say(element.dataset.text);
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", say(element.dataset.label));
  }
}
