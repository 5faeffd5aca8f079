/** The fields of the Payment Element: input, formatting and validation. */

const BRANDS = [
  { brand: 'Visa', starts: /^4/, lengths: [16], cvc: 3 },
  { brand: 'Mastercard', starts: /^(5[1-5]|2(22[1-9]|2[3-9]|[3-6]|7[01]|720))/, lengths: [16], cvc: 3 },
  { brand: 'Amex', starts: /^3[47]/, lengths: [15], cvc: 4 },
  { brand: 'Discover', starts: /^6(011|5|4[4-9])/, lengths: [16], cvc: 3 },
  { brand: 'Diners', starts: /^3(0|6|8|9)/, lengths: [14, 16], cvc: 3 },
  { brand: 'JCB', starts: /^35/, lengths: [16], cvc: 3 },
  { brand: 'UnionPay', starts: /^62/, lengths: [16, 19], cvc: 3 },
];
const NO_BRAND = { brand: '', lengths: [16], cvc: 3 };

/** Creates an element with attributes, `on…` event handlers, and children. */
function createNode(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const extractDigits = (text) => text.replace(/\D/g, '');

function passesLuhn(number) {
  let sum = 0;
  for (const [index, digit] of [...number].reverse().entries()) {
    const double = Number(digit) * (index % 2 === 0 ? 1 : 2);
    sum += double > 9 ? double - 9 : double;
  }
  return sum % 10 === 0;
}

function passesIbanCheck(iban) {
  const turned = iban.slice(4) + iban.slice(0, 4);
  let rest = 0;
  for (const character of turned) {
    const value = parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

const findBrand = (number) => BRANDS.find(({ starts }) => starts.test(number)) ?? NO_BRAND;

/** Formats the value and keeps the cursor after the same character. */
function reformat(input, format) {
  const before = input.value.slice(0, input.selectionStart ?? input.value.length).replace(/[\s/]/g, '').length;
  const value = format(input.value);
  if (value === input.value) return;
  input.value = value;
  let position = 0;
  for (let seen = 0; position < value.length && seen < before; position += 1) {
    if (!/[\s/]/.test(value[position])) seen += 1;
  }
  if (before >= value.replace(/[\s/]/g, '').length) position = value.length;
  if (document.activeElement === input) input.setSelectionRange(position, position);
}

/**
 * A labeled input. `check(value)` returns `null` if the value is complete, or `{ code, message, isIncomplete }`.
 * Incomplete values aren't reported while the customer types.
 */
class Field {
  static #count = 0;

  constructor({ name, label, check, format, onComplete, values, ...attributes }) {
    this.name = name;
    this.check = check;
    Field.#count += 1;
    const id = `Field-${name}-${Field.#count}`;
    const options = values?.map(([value, text]) => createNode('option', { value }, text));
    this.input = createNode(values ? 'select' : 'input', {
      id, name, class: 'Input', 'aria-invalid': 'false', 'aria-describedby': `${id}-error`, 'aria-required': 'true',
      ...(values ? {} : { type: 'text', autocapitalize: 'none', autocorrect: 'off', spellcheck: 'false' }),
      ...attributes,
    }, ...(options ?? []));
    this.error = createNode('p', { id: `${id}-error`, class: 'Error', role: 'alert' });
    this.slot = createNode('span', { class: 'InputSlot', 'aria-hidden': 'true' });
    this.label = createNode('label', { for: id, class: 'Label' }, label);
    this.node = createNode('div', { class: `Field Field--${name}` }, this.label,
      createNode('div', { class: 'InputBox' }, this.input, this.slot), this.error);
    this.input.addEventListener('input', (event) => {
      if (format) reformat(this.input, format);
      this.show(this.problem?.isIncomplete ? null : this.problem);
      changed();
      const isTyped = event.inputType?.startsWith('insert') && this.input.selectionStart === this.input.value.length;
      if (isTyped && !this.problem) onComplete?.();
    });
    this.input.addEventListener('blur', () => {
      if (this.value !== '') this.show(this.problem);
    });
  }

  get value() {
    return this.input.value.trim();
  }

  set value(text) {
    this.input.value = text;
  }

  get isShown() {
    return !this.node.hidden;
  }

  get problem() {
    return this.isShown ? this.check?.(this.value) ?? null : null;
  }

  show(problem) {
    this.error.textContent = problem?.message ?? '';
    this.input.classList.toggle('Input--invalid', Boolean(problem));
    this.label.classList.toggle('Label--invalid', Boolean(problem));
    this.input.setAttribute('aria-invalid', String(Boolean(problem)));
  }
}

const incomplete = (code, message) => ({ code, message, isIncomplete: true });
const invalid = (code, message) => ({ code, message, isIncomplete: false });

function checkNumber(value) {
  const number = extractDigits(value);
  const { lengths } = findBrand(number);
  if (TEST_CARD_NUMBERS.includes(number)) return null;
  if (number.length < Math.min(...lengths)) {
    return incomplete('incomplete_number', 'Your card number is incomplete.');
  }
  if (!passesLuhn(number)) return invalid('invalid_number', 'Your card number is invalid.');
  return invalid('invalid_number', 'This shop is in test mode. Use a test card such as 4242 4242 4242 4242. Real cards '
    + 'are refused, and your number was not sent.');
}

function checkExpiry(value) {
  const digits = extractDigits(value);
  if (digits.length < 4) return incomplete('incomplete_expiry', 'Your card\u2019s expiration date is incomplete.');
  const [month, year] = [Number(digits.slice(0, 2)), 2000 + Number(digits.slice(2))];
  const now = new Date();
  if (month < 1 || month > 12) return invalid('invalid_expiry', 'Your card\u2019s expiration date is invalid.');
  if (year < now.getFullYear()) {
    return invalid('invalid_expiry_year_past', 'Your card\u2019s expiration year is in the past.');
  }
  if (year === now.getFullYear() && month <= now.getMonth()) {
    return invalid('invalid_expiry_month_past', 'Your card\u2019s expiration date is in the past.');
  }
  if (year > now.getFullYear() + 50) {
    return invalid('invalid_expiry_year', 'Your card\u2019s expiration year is invalid.');
  }
  return null;
}

const filled = (code, message) => (value) => (value === '' ? incomplete(code, message) : null);

function formatNumber(text) {
  const { brand, lengths } = findBrand(extractDigits(text));
  const digits = extractDigits(text).slice(0, Math.max(...lengths));
  const groups = brand === 'Amex' ? digits.match(/^(\d{1,4})(\d{1,6})?(\d{1,5})?/)?.slice(1) : digits.match(/\d{1,4}/g);
  return (groups ?? []).filter(Boolean).join(' ');
}

function formatExpiry(text) {
  let digits = extractDigits(text);
  // Months 2 to 9 need no second digit. `1/27` means January.
  if (/^[2-9]/.test(digits) || /^1\s*\//.test(text)) digits = `0${digits}`;
  digits = digits.length > 4 && digits.slice(2, 4) === '20' ? digits.slice(0, 2) + digits.slice(4) : digits;
  const [month, year] = [digits.slice(0, 2), digits.slice(2, 4)];
  if (month.length < 2) return month;
  return year || /\/\s*$/.test(text) || !/\s$/.test(text) ? `${month} / ${year}`.trimEnd() : month;
}

const formatIban = (text) => (text.toUpperCase().replace(/[^A-Z0-9]/g, '').slice(0, 34).match(/.{1,4}/g) ?? []).join(' ');

function checkIban(value) {
  const iban = value.replace(/\s/g, '');
  if (iban.length < 15) return incomplete('incomplete_iban', 'Your IBAN is incomplete.');
  return passesIbanCheck(iban) ? null : invalid('invalid_iban', 'Your IBAN is invalid.');
}

/** A payment method type and its fields. */
class Method {
  constructor(type, title, fields) {
    this.type = type;
    this.title = title;
    this.fields = fields;
  }

  get isComplete() {
    return this.fields.every((field) => !field.problem);
  }

  get isEmpty() {
    return this.fields.every((field) => field.input.tagName === 'SELECT' || field.value === '');
  }

  field(name) {
    return this.fields.find((field) => field.name === name);
  }

  value(name) {
    const field = this.field(name);
    return field?.isShown ? field.value : undefined;
  }

  /** Shows all problems, focuses the first field with a problem, and returns its error. */
  validate() {
    let first = null;
    for (const field of this.fields) {
      const { problem } = field;
      field.show(problem);
      if (problem && !first) first = { field, problem };
    }
    if (!first) return null;
    first.field.input.focus();
    return { type: 'validation_error', code: first.problem.code, message: first.problem.message };
  }
}

