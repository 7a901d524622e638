// A zip of files as they are: pictures are compressed already.

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Numbers, little endian: pairs of a value and its bytes. */
function record(...pairs) {
  const bytes = [];
  for (const [value, size] of pairs) {
    for (let shift = 0; shift < size; shift++) bytes.push((value / 2 ** (8 * shift)) & 0xff);
  }
  return Uint8Array.from(bytes);
}

/** A zip as a blob; files: [{name, blob}], at most 4 GB. */
export async function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, blob } of files) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const path = new TextEncoder().encode(name);
    const UTF8 = 0x800; // the flag that says how the name is encoded
    const common = [[20, 2], [UTF8, 2], [0, 2], [0, 2], [0x21, 2], [crc32(bytes), 4],
      [bytes.length, 4], [bytes.length, 4], [path.length, 2], [0, 2]];
    parts.push(record([0x04034b50, 4], ...common), path, bytes);
    directory.push(record([0x02014b50, 4], [20, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4],
      [offset, 4]), path);
    offset += 30 + path.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2],
    [size, 4], [offset, 4], [0, 2]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
