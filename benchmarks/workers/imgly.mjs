// Run @imgly/background-removal-node, installed in the current folder, from file to file.
//   node imgly.mjs cold PHOTO OUTPUT
//   node imgly.mjs folder PHOTOS OUTPUTS
//   node imgly.mjs warm PHOTO OUTPUT TIMES      -> JSON on stdout, the first one not counted
//   node imgly.mjs import
import { readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [mode, input, output, times] = process.argv.slice(2);
const begin = performance.now();
const { removeBackground } = createRequire(path.resolve("package.json"))(
  "@imgly/background-removal-node",
);

async function cutOut(photo, file) {
  const start = performance.now();
  const png = await removeBackground(photo);
  writeFileSync(file, Buffer.from(await png.arrayBuffer()));
  return (performance.now() - start) / 1000;
}

if (mode === "cold") {
  await cutOut(input, output);
} else if (mode === "folder") {
  for (const name of readdirSync(input).sort()) {
    await cutOut(path.join(input, name), path.join(output, path.parse(name).name + ".png"));
  }
} else if (mode === "warm") {
  await cutOut(input, output);
  const load = (performance.now() - begin) / 1000;
  const seconds = [];
  for (let i = 0; i < Number(times); i += 1) seconds.push(await cutOut(input, output));
  console.log(JSON.stringify({ load, seconds }));
}
