// Drawings of the demo products, so the page loads nothing from other sites. A real shop would use product photos, for
// example from `metadata.image`.

const DRAWINGS: [RegExp, string, string][] = [
  [/kettle/i, '#c9d7d3', `<path d="M74 92h52l12 66H62z" fill="#5d6b70"/><path d="M74 92h52l3 14H71z" fill="#717f84"/>
    <path d="M66 140C40 136 48 96 28 88" fill="none" stroke="#5d6b70" stroke-width="7" stroke-linecap="round"/>
    <path d="M132 104c30-6 36 34 8 42" fill="none" stroke="#2f3437" stroke-width="9" stroke-linecap="round"/>
    <path d="M82 92a18 9 0 0 1 36 0z" fill="#4a5559"/><circle cx="100" cy="79" r="5.500" fill="#2f3437"/>
    <path d="M84 112l-6 36" stroke="#fff" stroke-opacity=".35" stroke-width="5" stroke-linecap="round"/>`],
  [/dripper/i, '#e7d9c8', `<path d="M56 70h88l-26 52H82z" fill="#fdfbf7"/><path d="M56 70h88l-4 8H60z" fill="#ebe4d9"/>
    <path d="M84 84l8 30M100 84v30M116 84l-8 30" stroke="#e3dacb" stroke-width="4" stroke-linecap="round"/>
    <path d="M66 122h68v9H66z" fill="#f3ede3"/><path d="M141 84c22-2 22 26-8 26" fill="none" stroke="#fdfbf7" stroke-width="8"/>
    <path d="M78 131h44v26a10 10 0 0 1-10 10H88a10 10 0 0 1-10-10z" fill="#b4532a" fill-opacity=".82"/>
    <path d="M100 131v12" stroke="#5b2c15" stroke-width="3" stroke-linecap="round"/>`],
  [/coffee/i, '#e0c3ad', `<path d="M64 58h72l6 104H58z" fill="#3c2a21"/><path d="M64 58h72l1 14H63z" fill="#54392b"/>
    <path d="M92 64h16" stroke="#c8a27e" stroke-width="4" stroke-linecap="round"/><path d="M76 92h48v44H76z" fill="#f4e9dc"/>
    <ellipse cx="100" cy="110" rx="10" ry="13" transform="rotate(28 100 110)" fill="#b4532a"/>
    <path d="M95 99c9 7 1 14 9 22" fill="none" stroke="#f4e9dc" stroke-width="2.500"/><path d="M84 130h32" stroke="#c8a27e" stroke-width="3"/>`],
  [/filter/i, '#d8d3bd', `<g stroke="#b89f74" stroke-width="2" stroke-linejoin="round">
    <path d="M52 76c30-14 66-14 96 0l-34 80H86z" fill="#cbb48a"/><path d="M58 70c30-12 66-12 90 2l-34 80H88z" fill="#d9c49c"/>
    <path d="M62 64c26-11 62-11 86 2l-32 80H90z" fill="#e6d4b0"/></g>
    <path d="M78 74l18 66M130 74l-16 66" stroke="#cdb98f" stroke-width="2" stroke-dasharray="3 5"/>`],
];

/** Returns a drawing of a product, or a generated pattern if no drawing exists. */
export function picture(name: string): SVGSVGElement {
  let [, background, drawing] = DRAWINGS.find(([pattern]) => pattern.test(name)) ?? [/./, '', ''];
  if (!drawing) {
    const hue = [...name].reduce((sum, character) => sum * 31 + (character.codePointAt(0) ?? 0), 7) % 360;
    background = `hsl(${hue} 30% 82%)`;
    drawing = `<circle cx="82" cy="118" r="40" fill="hsl(${hue} 38% 58%)"/><circle cx="122" cy="94" r="30"
      fill="hsl(${(hue + 40) % 360} 45% 68%)" fill-opacity=".9"/>`;
  }
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 200 200');
  svg.setAttribute('preserveAspectRatio', 'xMidYMid slice');
  svg.setAttribute('aria-hidden', 'true');
  // The markup contains only the constants above.
  svg.innerHTML = `<rect width="200" height="200" fill="${background}"/><ellipse cx="100" cy="168" rx="58" ry="7" fill="#000"
    fill-opacity=".1"/>${drawing}`;
  return svg;
}
