/** The form of the hosted page: an email field of its own, and the Payment Element of Stripe.js. */
const form = document.querySelector('form');
const email = form.querySelector('#email');
const emailError = form.querySelector('#email-error');
const alertBox = form.querySelector('#error');
const button = form.querySelector('.Submit');
const label = button.textContent;
const { key, account, amount, currency, types } = form.dataset;

let stripe = null;
let elements = null;

/** The colours of the page, which follow the screen, for the form of Stripe.js in its frame. */
function appearance() {
  const style = getComputedStyle(document.documentElement);
  const colours = {
    colorPrimary: '--accent',
    colorBackground: '--paper',
    colorText: '--ink',
    colorTextSecondary: '--soft',
    colorTextPlaceholder: '--soft',
    colorDanger: '--danger',
    colorBorder: '--field',
  };
  const variables = { borderRadius: '6px' };
  for (const [name, property] of Object.entries(colours)) variables[name] = style.getPropertyValue(property).trim();
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
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', () => elements.update({ appearance: appearance() }));
}

function setBusy(isBusy) {
  button.disabled = isBusy;
  button.textContent = isBusy ? 'Processing\u2026' : label;
}

function checkEmail() {
  const isGood = /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email.value.trim());
  email.setAttribute('aria-invalid', String(!isGood));
  emailError.textContent = isGood ? '' : 'Your email address is incomplete.';
  return isGood;
}

/** What the customer has typed, as a payment method; nothing if there is nothing to pay. */
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
    const answer = await fetch(form.action, { method: 'POST', body });
    return await answer.json();
  } catch {
    return { error: { message: 'We could not reach the payment page. Please check your connection and try again.' } };
  }
}

/** Pays once; answers whether the page is being left. */
async function pay() {
  const { error, paymentMethod } = await collect();
  // What is wrong with a field is said at the field.
  if (error) return error.type === 'validation_error' || error.param ? false : show(error);
  const answer = await send(paymentMethod);
  if (answer.error) return show(answer.error);
  window.location.assign(answer.url);
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
// The page comes back as it was left when the customer goes back to it.
window.addEventListener('pageshow', (event) => { if (event.persisted) window.location.reload(); });
if (types) mount();
button.hidden = false;
