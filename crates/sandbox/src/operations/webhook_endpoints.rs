//! Registration of webhook endpoints.

use crate::objects::delivery::Delivery;
use crate::objects::webhook_endpoint::WebhookEndpoint;
use crate::state::Tx;

/// Stores an endpoint and resumes the deliveries that wait for it.
pub(crate) fn register(tx: &mut Tx<'_>, endpoint: WebhookEndpoint) {
    let waiting: Vec<_> = tx
        .state
        .table::<Delivery>()
        .all()
        .filter(|(_, delivery)| delivery.endpoint == endpoint.id && delivery.is_on_hold)
        .map(|(account, delivery)| (account.clone(), delivery.clone()))
        .collect();
    tx.put(endpoint);
    for (account, delivery) in waiting {
        let now = tx.now;
        tx.on_account(account, |tx| tx.put_transient(delivery.retry_at(now)));
    }
}
