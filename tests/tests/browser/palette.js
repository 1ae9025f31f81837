// A PNG becomes one of 256 colours, which has a third of its bytes: text and plain areas look the same in it.
const [picture, done] = arguments;

async function pixelsOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

const rgb = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
const PALETTE = 256;
/** Colours that are closer to each other look the same. */
const CLOSE = 48;
const distance = (one, other) => one.reduce((sum, part, place) => sum + (part - other[place]) ** 2, 0);

/** The most frequent colours that can be told apart: those of small signs have to be among them. */
function paletteOf(seen) {
  const palette = [];
  for (const [colour] of [...seen].sort(([, one], [, other]) => other - one)) {
    const parts = rgb(colour);
    if (palette.length < PALETTE && palette.every((known) => distance(known, parts) > CLOSE)) palette.push(parts);
  }
  return palette;
}

/** A palette, and rows of what is nearest to each pixel in it. */
function indexed({ data, width, height }) {
  const pixels = new Uint32Array(data.buffer);
  const seen = new Map();
  for (const colour of pixels) seen.set(colour, (seen.get(colour) || 0) + 1);
  const palette = paletteOf(seen);
  const nearest = new Map();
  for (const colour of seen.keys()) {
    const distances = palette.map((known) => distance(known, rgb(colour)));
    nearest.set(colour, distances.indexOf(Math.min(...distances)));
  }
  // Every row begins with the number of its filter: none.
  const rows = new Uint8Array(height * (width + 1));
  pixels.forEach((colour, place) => (rows[place + Math.floor(place / width) + 1] = nearest.get(colour)));
  return { palette: Uint8Array.from(palette.flat()), rows };
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function crc(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return ~sum >>> 0;
}

const big = (number) => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255);

function chunk(type, data) {
  const body = [...new TextEncoder().encode(type), ...data];
  return [...big(data.length), ...body, ...big(crc(body))];
}

async function lighter() {
  const pixels = await pixelsOf(picture);
  const { palette, rows } = indexed(pixels);
  const bytes = [
    ...[137, 80, 78, 71, 13, 10, 26, 10],
    // Eight bits per pixel, of a palette.
    ...chunk("IHDR", [...big(pixels.width), ...big(pixels.height), 8, 3, 0, 0, 0]),
    ...chunk("PLTE", palette),
    ...chunk("IDAT", await deflated(rows)),
    ...chunk("IEND", []),
  ];
  return btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
}

lighter().then(done, (error) => done(`${error}`));
