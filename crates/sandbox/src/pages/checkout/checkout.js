/** The form of the hosted page: an email field and the Payment Element of Stripe.js. */
const form = document.querySelector('form');
const email = form.querySelector('#email');
const emailError = form.querySelector('#email-error');
const alertBox = form.querySelector('#error');
const button = form.querySelector('.Submit');
const label = button.textContent;
const { key, account, amount, currency, types } = form.dataset;

let stripe = null;
let elements = null;

/** Returns the page's colors, which follow the color scheme, for the Payment Element's frame. */
function appearance() {
  const style = getComputedStyle(document.documentElement);
  const colors = {
    colorPrimary: '--accent',
    colorBackground: '--paper',
    colorText: '--ink',
    colorTextSecondary: '--soft',
    colorTextPlaceholder: '--soft',
    colorDanger: '--danger',
    colorBorder: '--field',
  };
  const variables = { borderRadius: '6px' };
  for (const [name, property] of Object.entries(colors)) variables[name] = style.getPropertyValue(property).trim();
  return { variables };
}

function mount() {
  stripe = Stripe(key, account ? { stripeAccount: account } : {});
  elements = stripe.elements({
    mode: 'payment',
    amount: Number(amount),
    currency,
    allowedPaymentMethodTypes: types.split(' '),
    appearance: appearance(),
  });
  const options = { fields: { billingDetails: { email: 'never' } } };
  elements.create('payment', options).mount('#payment');
  const darkScheme = window.matchMedia('(prefers-color-scheme: darkScheme)');
  darkScheme.addEventListener('change', () => elements.update({ appearance: appearance() }));
}

function setBusy(isBusy) {
  button.disabled = isBusy;
  button.textContent = isBusy ? 'Processing\u2026' : label;
}

function checkEmail() {
  const isValid = /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email.value.trim());
  email.setAttribute('aria-invalid', String(!isValid));
  emailError.textContent = isValid ? '' : 'Your email address is incomplete.';
  return isValid;
}

/** Creates a payment method from the form. Returns an empty object if the total is zero. */
async function collect() {
  if (!elements) return {};
  const checked = await elements.submit();
  if (checked.error) return checked;
  return stripe.createPaymentMethod({ elements, params: { billing_details: { email: email.value.trim() } } });
}

async function send(paymentMethod) {
  const body = new URLSearchParams({ email: email.value.trim() });
  if (paymentMethod) body.append('payment_method', paymentMethod.id);
  try {
    const response = await fetch(form.action, { method: 'POST', body });
    return await response.json();
  } catch {
    return { error: { message: 'We could not reach the payment page. Please check your connection and try again.' } };
  }
}

/** Submits the payment. Returns whether the page is about to be left. */
async function pay() {
  const { error, paymentMethod } = await collect();
  // Errors of a field are shown at the field.
  if (error) return error.type === 'validation_error' || error.param ? false : show(error);
  const response = await send(paymentMethod);
  if (response.error) return show(response.error);
  window.location.assign(response.url);
  return true;
}

function show({ message }) {
  alertBox.textContent = message;
  alertBox.scrollIntoView({ block: 'nearest' });
  return false;
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (button.disabled) return;
  alertBox.textContent = '';
  if (!checkEmail()) {
    email.focus();
    return;
  }
  setBusy(true);
  if (!await pay()) setBusy(false);
});
email.addEventListener('input', () => { if (emailError.textContent) checkEmail(); });
// The back button can restore an outdated page from the browser's cache.
window.addEventListener('pageshow', (event) => { if (event.persisted) window.location.reload(); });
if (types) mount();
button.hidden = false;
