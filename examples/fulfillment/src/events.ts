// The event fields that this receiver uses. The OpenAPI document describes every field, under `webhooks`.

export type Item = { product_id: string; name: string; quantity: number; amount: number };

export type Order = {
  id: string;
  status: string;
  currency: string;
  amount_total: number;
  items: Item[];
  customer: { email: string | null; name: string | null };
};

export type Event = { id: string; type: string; sequence: number | null; data: unknown };

export type OrderPaid = Event & { type: 'order.paid'; data: Order };

export function isOrderPaid(event: Event): event is OrderPaid {
  return event.type === 'order.paid';
}
