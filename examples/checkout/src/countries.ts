/** The countries that this shop delivers to and accepts sellers from. */
export const COUNTRIES = ('AT AU BE BG CA CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT JP LI LT LU LV MT NL NO NZ PL PT '
  + 'RO SE SG SI SK US').split(' ');

/** Returns country codes with their names in the browser's language, sorted by name. */
export function countryNames(): [string, string][] {
  const names = new Intl.DisplayNames(undefined, { type: 'region' });
  return COUNTRIES.map((code): [string, string] => [code, names.of(code) ?? code]).sort((a, b) => a[1].localeCompare(b[1]));
}
