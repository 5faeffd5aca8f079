/** Encodes nested parameters in Stripe's format: a[b][c]=d. */
function formEncode(params, prefix = '', into = new URLSearchParams()) {
  for (const [name, value] of Object.entries(params)) {
    const key = prefix ? `${prefix}[${name}]` : name;
    if (value === undefined || value === null) continue;
    if (typeof value === 'object') formEncode(value, key, into);
    else into.append(key, String(value));
  }
  return into;
}

/** Calls the API with a publishable key. Resolves to `{ value }` or `{ error }` and never rejects. */
class PublishableApi {
  constructor(base, key, account) {
    this.base = base;
    this.headers = { Authorization: `Bearer ${key}` };
    if (account) this.headers['Stripe-Account'] = account;
  }

  async send(method, path, params) {
    const form = formEncode(params);
    const url = `${this.base}${path}${method === 'GET' ? `?${form}` : ''}`;
    try {
      const body = method === 'GET' ? undefined : form;
      const response = await fetch(url, { method, headers: this.headers, body, credentials: 'omit' });
      const answer = await response.json();
      return answer.error ? { error: answer.error } : { value: answer };
    } catch {
      const message = 'We are experiencing issues connecting to our payments provider. Please check your '
        + 'internet connection and try again.';
      return { error: { type: 'api_connection_error', message } };
    }
  }

  retrievePaymentIntent(clientSecret) {
    return this.send('GET', `/v1/payment_intents/${paymentIntentId(clientSecret)}`, { client_secret: clientSecret });
  }

  confirmPaymentIntent(clientSecret, params) {
    const path = `/v1/payment_intents/${paymentIntentId(clientSecret)}/confirm`;
    return this.send('POST', path, { ...params, client_secret: clientSecret });
  }

  createPaymentMethod(params) {
    return this.send('POST', '/v1/payment_methods', params);
  }
}

function isClientSecret(text) {
  return typeof text === 'string' && /^pi_[A-Za-z0-9]+_secret_[A-Za-z0-9]+$/.test(text);
}

function paymentIntentId(clientSecret) {
  return clientSecret.slice(0, clientSecret.indexOf('_secret_'));
}

